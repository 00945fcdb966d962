"""The plane as an ASGI application: a thin adapter between the server and the core.

The worker's bytes drive ``send`` themselves: its coroutine is run on the spot, and only when
the server wants to wait (the caller reads slowly) does the rest become a task, and the worker
is held back meanwhile. The application's own task does nothing but ``receive``, which is how
ASGI tells that a caller left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any

from inference.edges.forwarded import Proxies
from inference.exchange.exchange import Exchange
from inference.exchange.plane import Plane
from inference.gate.head import Head
from inference.http.fields import pairs_of
from inference.http.lines import Lines

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


HEAD = "xerotier.head"
"""Our server's extension to ASGI: the head as read by it, one object for the same bytes."""

LINES = "xerotier.lines"
"""Another one: a server that has it takes the head of an answer as the core has written it, under
this name in ``http.response.start``, beside ``connection`` and framing, which are the server's."""

PEER = "xerotier.peer"
"""Another one: who is at the other end of the connection (``address``), and whether what they
forward is believed (``is_proxy``). Where it stands, ``client`` is the caller already, and what
strangers forward is gone from the headers: ``is_direct`` says that there was nothing of it."""

LEFT = "xerotier.left"
"""Our server's extension to ASGI: it calls what we put at ``tell`` when the caller has gone.
``receive`` says so only to those who ask, and whoever holds a body back must not ask."""


class AsgiCaller:
    """``caller.Caller`` on top of an ASGI ``send``."""

    __slots__ = (
        "_backlog",
        "_busy",
        "_over",
        "_send",
        "_takes_lines",
        "_task",
        "address",
        "exchange",
        "readable",
    )

    def __init__(self, send: Send, address: str, *, takes_lines: bool) -> None:
        self._takes_lines = takes_lines
        self.address = address
        self.exchange: Exchange
        self.readable = asyncio.Event()
        self.readable.set()
        self._send = send
        self._task = asyncio.current_task()
        self._busy: asyncio.Task[None] | None = None
        self._backlog: deque[Message] = deque()
        self._over = False

    def start(self, status: int, lines: Lines, *, has_length: bool) -> None:
        """Send the head; a server frames by itself what has no length."""
        if self.exchange.plane.stopping:
            lines += b"connection: close\r\n"
        start: Message = {"type": "http.response.start", "status": status}
        # Whether the connection goes on is for the server to say, so it has to hear of this one.
        if self._takes_lines and not self.exchange.plane.stopping:
            start[LINES] = lines
        else:
            start["headers"] = pairs_of(lines)
        self._say(start)

    def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._say({"type": "http.response.body", "body": data, "more_body": True})

    def finish(self) -> None:
        """Send the end of the body, and listen on: only that tells the end of the connection."""
        self.readable.set()
        self._say({"type": "http.response.body", "body": b"", "more_body": False})

    def abort(self) -> None:
        """Leave the application with an incomplete answer: the server then hangs up."""
        self._over = True
        if self._task is not None:
            self._task.cancel()

    def pause_body(self) -> None:
        """Stop receiving."""
        self.readable.clear()

    def resume_body(self) -> None:
        """Go on receiving."""
        self.readable.set()

    def forget(self) -> None:
        """Let go of the exchange: each holds the other, and only a search for cycles frees them."""
        if self._busy is None:
            del self.exchange

    @property
    def was_aborted(self) -> bool:
        """Say whether it was us who hung up."""
        return self._over

    def _say(self, message: Message) -> None:
        if self._over:
            return
        if self._busy is not None:
            self._backlog.append(message)
        else:
            self._run(message)

    def _run(self, message: Message) -> None:
        step = self._send(message).__await__()
        try:
            waits_for = step.send(None)
        except StopIteration:
            return
        # Whoever starts a task has to keep it: the loop itself holds it only weakly.
        loop = asyncio.get_running_loop()
        self._busy = loop.create_task(_rest_of(step, waits_for))
        self._busy.add_done_callback(self._on_sent)
        self.exchange.pause()

    def _on_sent(self, task: asyncio.Task[None]) -> None:
        self._busy = None
        if task.cancelled() or task.exception() is not None:
            self._over = True
            self.exchange.left()
            return
        while self._backlog and self._busy is None:
            self._run(self._backlog.popleft())
        if self._busy is None:
            self.exchange.resume()


class _Rest:
    """What remains of a coroutine that was begun by hand and wants to wait."""

    __slots__ = ("_step", "_waits_for")

    def __init__(self, step: Generator[Any, None, None], waits_for: Any) -> None:
        self._step = step
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, None]:
        waits_for, step = self._waits_for, self._step
        while True:
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - cancellation, too, is theirs
                try:
                    waits_for = step.throw(thrown)
                except StopIteration:
                    return
                continue
            try:
                waits_for = step.send(None)
            except StopIteration:
                return


async def _rest_of(step: Generator[Any, None, None], waits_for: Any) -> None:
    await _Rest(step, waits_for)


class AsgiEdge:
    """Serves inference requests of any ASGI server that waits in ``send``."""

    def __init__(self, plane: Plane, proxies: Proxies) -> None:
        self._plane = plane
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        peer = scope["client"][0] if scope.get("client") else ""
        extensions = scope.get("extensions") or {}
        address = self._proxies.caller_of(peer, scope["headers"])
        caller = AsgiCaller(send, address, takes_lines=LINES in extensions)
        exchange = caller.exchange = Exchange(self._plane, caller)
        extensions.get(LEFT, {})["tell"] = caller.readable.set
        head = extensions.get(HEAD)
        if head is None:
            head = Head(scope["method"].encode(), raw_target(scope), list(scope["headers"]))
        exchange.begin(head)
        try:
            await _listen(exchange, caller, receive)
        except asyncio.CancelledError:
            if not caller.was_aborted:
                exchange.left()
                raise
        finally:
            caller.forget()


def raw_target(scope: Scope) -> bytes:
    """Return the path as it stood on the wire: escapes must not be lost before they are seen."""
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    return target


async def _listen(exchange: Exchange, caller: AsgiCaller, receive: Receive) -> None:
    while True:
        await caller.readable.wait()
        message = await receive()
        if message["type"] == "http.disconnect":
            exchange.left()
            return
        if message.get("body"):
            exchange.body(message["body"])
        if not message.get("more_body", False):
            exchange.body_end()
