"""The gateway in front of a control plane that is a process of its own.

What is not inference is handed on over a unix socket.
Both planes in one process share one interpreter lock: a page that works for 150 ms holds up every
token of everybody (ADR 0023). One connection carries one request, so no two can ever be mixed up;
h11 reads and writes the HTTP.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import h11

from inference.edges.asgi import PEER, Receive, Scope, Send
from inference.gateway.ops import Check
from inference.http.fields import Names, pairs_of
from inference.http.ids import request_id
from inference.http.lines import Headers
from inference.http.problems import Refused

FACTS: Final = b"x-xerotier-front"
"""What the gateway saw of the connection, as JSON. Ours alone: from a caller it is dropped."""
OF_ONE_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection te trailer upgrade expect transfer-encoding".split()
) | {FACTS}
READ_BYTES = 64 * 1024
CHECK_S = 2.0


class Forward:
    """An ASGI application that lets the control plane at a unix socket answer."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on, and its answer back."""
        if scope["type"] == "websocket":
            await no_socket(scope, receive, send)
            return
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            await _unavailable(send)
            return
        try:
            await _Passage(reader, writer).run(scope, receive, send)
        except ExceptionGroup as group:
            # What reading the body raised (it is too long) is for who counts it to answer.
            raise group.exceptions[0] from None
        finally:
            writer.close()

    def check(self) -> Check:
        """Return the question whether the control plane is ready."""
        return self._why_not

    async def _why_not(self) -> str | None:
        try:
            async with asyncio.timeout(CHECK_S):
                return await _ask_readiness(self._path)
        except (OSError, ValueError):  # a TimeoutError is an OSError
            return "the control plane does not answer"


class _Passage:
    """One request on its way through."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=256 * 1024)
        self._has_begun = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._write(_request(scope))
        async with asyncio.TaskGroup() as group:
            up = group.create_task(self._up(receive))
            try:
                await self._down(send)
            except (OSError, h11.RemoteProtocolError):
                # Begun, it ends here: a server hangs up on an answer that is not whole.
                if not self._has_begun:
                    await _unavailable(send)
            finally:
                up.cancel()

    async def _up(self, receive: Receive) -> None:
        """Pass the body on; then listen on, for a caller that leaves ends it over there, too."""
        is_whole = False
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._writer.close()
                return
            with suppress(OSError, h11.LocalProtocolError):  # It answered before it had heard all.
                if message.get("body"):
                    self._write(h11.Data(data=message["body"]))
                if not is_whole and not message.get("more_body", False):
                    is_whole = True
                    self._write(h11.EndOfMessage())
                await self._writer.drain()

    async def _down(self, send: Send) -> None:
        while True:
            event = await self._next()
            match event:
                case h11.Response():
                    self._has_begun = True
                    await send(_start(event))
                case h11.Data():
                    await send(_body(bytes(event.data), more=True))
                case h11.EndOfMessage():
                    await send(_body(b"", more=False))
                    return
                case h11.ConnectionClosed():
                    raise ConnectionResetError

    async def _next(self) -> object:
        event = self._http.next_event()
        while event is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(READ_BYTES))
            event = self._http.next_event()
        return event

    def _write(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")


def _request(scope: Scope) -> h11.Request:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    names = {name for name, _ in scope["headers"]}
    headers = [field for field in scope["headers"] if field[0] not in OF_ONE_HOP]
    if b"transfer-encoding" in names and b"content-length" not in names:
        headers.append((b"transfer-encoding", b"chunked"))
    peer = (scope.get("extensions") or {}).get(PEER, {})
    client = scope.get("client") or ("", 0)
    facts = json.dumps({"client": client[0], **peer}).encode()
    headers += [(FACTS, facts), (b"connection", b"close")]
    return h11.Request(method=scope["method"], target=target, headers=headers)


def _start(answer: h11.Response) -> dict[str, Any]:
    headers = [field for field in answer.headers if field[0] not in OF_ONE_HOP]
    own = [(name, value) for name, value in headers if name not in (b"date", b"server")]
    return {"type": "http.response.start", "status": answer.status_code, "headers": own}


def _body(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _unavailable(send: Send) -> None:
    refusal = Refused("service_unavailable", "The control plane does not answer. Try again.")
    await answer_refusal(send, refusal)


async def answer_refusal(
    send: Send, refusal: Refused, extra: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer a request with a refusal in its envelope, and with an id, as every answer has."""
    body = refusal.body()
    headers = [*_ids(), *refusal.headers(), (b"content-length", b"%d" % len(body)), *extra]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send(_body(body, more=False))


def _ids() -> Headers:
    return pairs_of(Names(request_id(time.time())).lines())


async def no_socket(scope: Scope, _receive: Receive, send: Send) -> None:
    """Tell who wants a WebSocket that there is none: nothing here needs one."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    body = Refused("endpoint_not_found", "There is no WebSocket here.").body()
    headers = [*_ids(), (b"content-type", b"application/json")]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def _ask_readiness(path: str) -> str | None:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(b"GET /readyz HTTP/1.0\r\nhost: localhost\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if head.split(b" ", 2)[1:2] == [b"200"]:
        return None
    reasons: dict[str, str] = json.loads(body)["not_ready"]
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
