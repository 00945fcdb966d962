"""Workers that do as they are told: real servers on loopback with a script."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from tests.clock import own_time

BREAK = object()
"""In a script: reset the connection."""

Script = list[object]


@dataclass
class Asked:
    """One request as a worker saw it. ``left`` is set when its connection was closed.

    ``left_at`` is a moment of ``tests.clock``.
    """

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    left_at: float = 0.0

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class ScriptedWorker:
    """Answers each request with the next script, the last one for ever.

    A script is bytes to send, floats to sleep, ``...`` to be silent until the asker leaves,
    an ``asyncio.Event`` to wait for, or ``BREAK``.
    """

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[Asked] = []
        self.arrived = asyncio.Event()
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/v1"

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def script_of(self, asked: Asked) -> Script:
        """Return how this request is answered."""
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked = await _read(reader)
        script = self.script_of(asked)
        self.asked.append(asked)
        self.arrived.set()
        watch = asyncio.ensure_future(_watch(reader, asked))
        try:
            for step in script:
                if not await _play(step, writer, asked):
                    return False
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return not asked.left.is_set()


async def _read(reader: asyncio.StreamReader) -> Asked:
    raw = await reader.readuntil(b"\r\n\r\n")
    line, *rest = raw.decode("latin-1").split("\r\n")[:-2]
    pairs = [field.partition(":") for field in rest]
    asked = Asked(line, [(name.lower(), value.strip()) for name, _, value in pairs])
    length = asked.header("content-length")
    if length is not None:
        asked.body = await reader.readexactly(int(length))
    elif asked.header("transfer-encoding") is not None:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            asked.body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    return asked


async def _watch(reader: asyncio.StreamReader, asked: Asked) -> None:
    # Nothing is pipelined to a worker, so whatever can be read now is the end.
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    asked.left_at = own_time()
    asked.left.set()


async def _play(step: object, writer: asyncio.StreamWriter, asked: Asked) -> bool:
    if isinstance(step, bytes):
        writer.write(step)
        await writer.drain()
    elif isinstance(step, float):
        await asyncio.sleep(step)
    elif isinstance(step, asyncio.Event):
        await step.wait()
    elif step is ...:
        await asked.left.wait()
        return False
    else:
        writer.transport.abort()
        return False
    return True


def answer(body: bytes, status: int = 200, content_type: str = "application/json") -> bytes:
    """Write a complete answer."""
    return (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\nServer: engine/1\r\n"
        f"Set-Cookie: a=b\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def completion(text: str = "Paris.", tokens_in: int = 11, tokens_out: int = 3) -> bytes:
    """Write the body of a chat completion."""
    usage = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }
    message = {"role": "assistant", "content": text}
    return json.dumps({"object": "chat.completion", "choices": [message], "usage": usage}).encode()


SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SSE_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Frame a piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(text: str) -> bytes:
    """Write one event of a stream."""
    body = json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]})
    return f"data: {body}\n\n".encode()


def usage_event(tokens_in: int = 11, tokens_out: int = 3) -> bytes:
    """Write the usage-only event that comes when it was asked for."""
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
    return f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def stream(*events: bytes) -> Script:
    """Script a whole stream, each event a write of its own."""
    return [SSE_HEAD, *(chunk(event) for event in events), SSE_END]
