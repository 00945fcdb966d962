"""An agent that dials in over a real socket, by the library that xim uses, and follows scripts."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from msgspec import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from inference.fleet.tunnel import frames
from inference.tests.identities import Identity

WINDOW = 64 * 1024


class AgentStream:
    """One request as the agent sees it."""

    def __init__(self, agent: DialledAgent, number: int, asked: list[Any], body: bytes) -> None:
        self.method, self.path, self.lines, self.length, self.request_id, _, self.model = asked
        self.number = number
        self.body = body
        self.is_whole = False
        self.reset: tuple[int, int] | None = None
        self.news = asyncio.Event()
        self.granted = WINDOW
        self.sent = 0
        self.taken = 0
        self._agent = agent
        self._renewed = WINDOW

    def on_data(self, data: bytes, *, is_last: bool) -> None:
        self.body += data
        self.taken += len(data)
        self.is_whole = self.is_whole or is_last
        self.news.set()

    async def grant_more(self) -> None:
        if self._renewed - self.taken <= WINDOW // 2 and not self.is_whole:
            self._renewed = self.taken + WINDOW
            await self._agent.send(frames.credit_frame(self.number, self._renewed))

    async def whole(self) -> bytes:
        while not self.is_whole:
            self.news.clear()
            await self.grant_more()
            self.raise_if_over()
            await self.news.wait()
        return self.body

    def raise_if_over(self) -> None:
        if self.reset is not None or self._agent.is_gone:
            raise ConnectionResetError

    async def head(self, status: int = 200, lines: bytes = b"") -> None:
        payload = msgpack.encode([status, lines])
        await self._agent.send(frames.frame(frames.HEADERS, payload, self.number))

    async def data(self, data: bytes, *, is_last: bool = False) -> None:
        pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)] or [b""]
        for piece in pieces:
            while self.granted - self.sent < len(piece):
                self.raise_if_over()
                self.news.clear()
                await self.news.wait()
            self.raise_if_over()
            self.sent += len(piece)
            flags = frames.FIN if is_last and piece is pieces[-1] else 0
            await self._agent.send(frames.frame(frames.DATA, piece, self.number, flags))

    async def give_up(self, code: int, *, is_untouched: bool = False) -> None:
        flags = frames.UNTOUCHED if is_untouched else 0
        payload = struct.pack(">H", code)
        await self._agent.send(frames.frame(frames.RESET, payload, self.number, flags))


Serve = Callable[[AgentStream], Awaitable[None]]


class DialledAgent:
    """See the module."""

    def __init__(self, identity: Identity, url: str, serve: Serve, **hello: Any) -> None:
        self.identity = identity
        self.streams: dict[int, AgentStream] = {}
        self.heard: list[tuple[int, Any]] = []
        self.welcome: dict[str, Any] = {}
        self.code: int | None = None
        self.is_gone = False
        self.seq = 0
        self._url = url
        self._serve = serve
        self._hello = hello
        self._socket: ClientConnection
        self._tasks = asyncio.TaskGroup()
        self._up = asyncio.Event()

    async def __aenter__(self) -> DialledAgent:
        await self._tasks.__aenter__()
        self._socket = await connect(self._url, compression=None, ping_interval=None, proxy=None)
        self._tasks.create_task(self._read())
        await asyncio.wait_for(self._up.wait(), 5)
        return self

    async def __aexit__(self, *fault: object) -> None:
        self._socket.transport.abort()
        await self._tasks.__aexit__(None, None, None)

    async def send(self, frame: bytes) -> None:
        with suppress(ConnectionClosed):
            await self._socket.send(frame)

    async def say(self, kind: int, said: dict[str, Any]) -> None:
        await self.send(frames.frame(kind, msgpack.encode(said)))

    async def state(self, **other: Any) -> None:
        self.seq += 1
        await self.say(frames.STATE, self.identity.state(self.boot, self.seq, **other))

    def stop_reading(self) -> None:
        self._socket.transport.pause_reading()

    def read_on(self) -> None:
        self._socket.transport.resume_reading()

    def cut(self) -> None:
        self._socket.transport.abort()

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.recv(decode=False)
                await self._take(message)
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else 1006
        self.is_gone = True
        self._up.set()
        for stream in self.streams.values():
            stream.reset = stream.reset or (0, 0)
            stream.news.set()

    async def _take(self, message: bytes) -> None:
        kind, flags, number = frames.read_head(message)
        payload = message[frames.HEAD_BYTES :]
        if kind == frames.OPEN:
            self._open(number, flags, payload)
        elif number:
            self._on_stream(kind, flags, number, payload)
        else:
            await self._on_own(kind, payload)

    def _open(self, number: int, flags: int, payload: bytes) -> None:
        (size,) = struct.unpack_from(">H", payload)
        asked = msgpack.decode(payload[2 : 2 + size])
        stream = AgentStream(self, number, asked, payload[2 + size :])
        stream.is_whole = bool(flags & frames.FIN)
        self.streams[number] = stream
        self._tasks.create_task(self._play(stream))

    async def _play(self, stream: AgentStream) -> None:
        if stream.reset is None:
            with suppress(ConnectionResetError):
                await self._serve(stream)

    def _on_stream(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        stream = self.streams[number]
        if kind == frames.DATA:
            stream.on_data(payload, is_last=bool(flags & frames.FIN))
        elif kind == frames.CREDIT:
            stream.granted = frames.read_credit(payload)
        elif kind == frames.RESET:
            stream.reset = (frames.read_reset(payload)[0], flags)
        stream.news.set()

    async def _on_own(self, kind: int, payload: bytes) -> None:
        if kind == frames.PING:
            await self.send(frames.frame(frames.PONG, payload))
            return
        said = msgpack.decode(payload) if payload else {}
        self.heard.append((kind, said))
        if kind == frames.CHALLENGE:
            hello = self.identity.hello(said["gateway"], said["nonce"], **self._hello)
            self.boot = hello["boot"]
            await self.say(frames.HELLO, hello)
        elif kind == frames.WELCOME:
            self.welcome = said
            await self.state()
            self._up.set()
