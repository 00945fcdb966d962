"""A gateway that does what a test says, written from the contract and not from xim's code."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

CHALLENGE, HELLO, WELCOME, STATE, TOKEN, ASSIGN, DRAIN = range(1, 8)
PING, PONG = 8, 9
OPEN, HEADERS, DATA, RESET, CREDIT = 0x10, 0x11, 0x12, 0x13, 0x14
FIN, UNTOUCHED = 1, 2
WINDOW = 65_536
PATIENCE_S = 20


def frame(kind: int, payload: bytes = b"", stream: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">BBI", kind, flags, stream) + payload


def opening(  # noqa: PLR0913
    body: bytes = b"",
    *,
    path: str = "/chat/completions",
    model: str = "sim",
    method: str = "POST",
    length: int | None = None,
    lines: bytes = b"content-type: application/json\r\n",
    ms: int = 60_000,
) -> bytes:
    size = len(body) if length is None else length
    head: bytes = msgpack.packb([method, path, lines, size, "req_1", ms, model])
    return struct.pack(">H", len(head)) + head + body


async def heard_of(news: asyncio.Event) -> None:
    """Wait for news, or a moment: not all that tests look at is told here."""
    news.clear()
    try:
        async with asyncio.timeout(0.05):
            await news.wait()
    except TimeoutError:
        return


@dataclass
class Answer:
    """What came back on one stream."""

    status: int = 0
    lines: bytes = b""
    body: bytes = b""
    ended: bool = False
    reset: tuple[int, bool, str] | None = None
    granted: int = WINDOW

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None


@dataclass
class Peer:
    """One link as the gateway sees it."""

    wire: ServerConnection
    hello: dict[str, Any] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)
    others: list[tuple[int, bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    credits: bool = True
    close_code: int | None = None
    opened: int = 0

    async def send(self, *frames: bytes) -> None:
        for one in frames:
            await self.wire.send(one)

    async def open(self, body: bytes = b"{}", **words: Any) -> Answer:
        """Ask, with the whole body inside."""
        self.opened += 1
        answer = self.answers[self.opened] = Answer()
        await self.send(frame(OPEN, opening(body, **words), self.opened, FIN))
        return answer

    async def until(self, is_so: Any) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await heard_of(self.news)

    async def over(self, answer: Answer) -> Answer:
        await self.until(lambda: answer.is_over)
        return answer

    async def listen(self) -> None:
        try:
            while True:
                message = await self.wire.recv()
                assert isinstance(message, bytes)
                await self.heard(message)
                self.news.set()
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self.wire.close_code
            self.news.set()

    async def heard(self, message: bytes) -> None:
        kind, flags, stream = struct.unpack_from(">BBI", message)
        payload = message[6:]
        if kind == STATE:
            assert len(payload) <= 8192
            self.states.append(msgpack.unpackb(payload))
        elif stream and stream in self.answers:
            await self._answered(self.answers[stream], kind, flags, stream, payload)
        else:
            self.others.append((kind, payload))

    async def _answered(
        self, answer: Answer, kind: int, flags: int, stream: int, payload: bytes
    ) -> None:
        assert not answer.is_over
        if kind == HEADERS:
            answer.status, answer.lines = msgpack.unpackb(payload)
        elif kind == DATA:
            assert answer.status
            assert len(payload) <= 16_384
            answer.body += payload
            assert len(answer.body) <= answer.granted
            if self.credits and answer.granted - len(answer.body) <= WINDOW // 2:
                answer.granted = len(answer.body) + WINDOW
                await self.send(frame(CREDIT, struct.pack(">Q", answer.granted), stream))
        elif kind == RESET:
            code = struct.unpack_from(">H", payload)[0]
            answer.reset = (code, bool(flags & UNTOUCHED), payload[2:].decode())
        else:
            self.others.append((kind, payload))
        answer.ended = answer.ended or (kind in {HEADERS, DATA} and bool(flags & FIN))


class Gateway:
    """A listener; each link it has shaken hands with stands in ``links``."""

    def __init__(self, name: str = "gw_1", *, gateways: int = 1, refuses: int = 0) -> None:
        self.name, self.gateways, self.refuses = name, gateways, refuses
        self.names: list[str] = []
        self.peers: list[Peer] = []
        self.dials = 0
        self.unsaid: list[int | None] = []
        """Codes of those that left without a HELLO."""
        self.news = asyncio.Event()
        self.address = ""
        self.welcome: dict[str, Any] = {}
        self.versions = [1, 1]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Gateway]:
        async with serve(
            self._serve, "127.0.0.1", 0, compression=None, max_size=65_542, ping_interval=None
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.address = f"ws://127.0.0.1:{port}/agents/v1/tunnel"
            yield self

    async def _serve(self, wire: ServerConnection) -> None:
        self.dials += 1
        if self.refuses:
            await wire.close(self.refuses)
            return
        name = self.names.pop(0) if self.names else self.name
        peer = Peer(wire)
        if await self._shake_hands(peer, name):
            self.peers.append(peer)
            self.news.set()
            await peer.listen()

    async def _shake_hands(self, peer: Peer, name: str) -> bool:
        nonce = secrets.token_bytes(32)
        challenge = {"gateway": name, "nonce": nonce, "versions": self.versions}
        now = {"time_ms": int(time.time() * 1000)}
        await peer.send(frame(CHALLENGE, msgpack.packb(challenge | now)))
        try:
            message = await peer.wire.recv()
        except ConnectionClosed as end:
            self.unsaid.append(end.rcvd.code if end.rcvd else None)
            return False
        assert isinstance(message, bytes)
        assert message[0] == HELLO
        peer.hello = msgpack.unpackb(message[6:])
        check_hello(peer.hello, name, nonce)
        await peer.send(frame(WELCOME, msgpack.packb(self._welcome())))
        return True

    def _welcome(self) -> dict[str, Any]:
        numbers = {"beat_ms": 3000, "lease_ms": 10_000, "window": WINDOW, "window_max": 1 << 20}
        words = {"link": "link_1", "agent": "agt_1", "state": "active"}
        more = {"gateways": self.gateways, "streams": 256, "grace_ms": 1000, "unknown": [1, {}]}
        return {**numbers, **words, **more, **self.welcome}

    async def link(self, count: int = 1) -> Peer:
        """Wait for the n-th link, and for its first word."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.peers) < count:
                await heard_of(self.news)
        peer = self.peers[count - 1]
        await peer.until(lambda: peer.states)
        return peer


def check_hello(hello: dict[str, Any], gateway: str, nonce: bytes) -> None:
    """Raise unless the agent has proved its key, for this gateway and this moment."""
    digest = hashlib.sha256(hello["token"].encode()).digest()
    said = b"xerotier-agent-hello\0" + gateway.encode() + b"\0" + nonce + digest
    Ed25519PublicKey.from_public_bytes(hello["key"]).verify(hello["signature"], said)
    assert hello["version"] == 1
    assert len(hello["boot"]) == 16
