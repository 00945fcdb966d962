"""Agents for benchmarks: enrolled by themselves, a link each, answers relayed from the mock.

They stand for machines far away, so only what they cost the gateway is counted. Frames are masked
with zeros, which the gateway can't tell from any other mask and has to undo all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import time
from typing import Any

import redis
import uvloop
from msgspec import msgpack
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from bench.ours import MODEL
from inference.contracts import agents, pass_keys
from inference.contracts.entries import Pool, Worker, dump
from inference.contracts.names import CHANGES, agent_key, pool_key
from inference.fleet.http.client import HttpTransport
from inference.fleet.load import Load
from inference.fleet.ports import Call, WorkerFailed
from inference.fleet.tunnel import frames
from inference.http.lines import Headers
from inference.tests.identities import Identity, Platform, served

SLOTS = 256
"""As many streams as a link may have."""
WINDOW = 64 * 1024
TWO_BYTES, EIGHT_BYTES = 126, 127
NO_MASK = b"\0\0\0\0"


class Relayed:
    """One request: the engine's answer on its way to the gateway (``fleet.ports.Answer``)."""

    def __init__(self, agent: Agent, number: int) -> None:
        self.call: Call
        self.granted, self.sent = WINDOW, 0
        self._agent = agent
        self._number = number
        self._waiting: list[bytes] = []
        self._is_complete = False

    def on_head(self, status: int, headers: Headers) -> None:
        """Pass the head on."""
        lines = b"".join(b"%b: %b\r\n" % field for field in headers)
        self._agent.say(frames.HEADERS, msgpack.encode([status, lines]), self._number)

    def on_data(self, data: bytes) -> None:
        """Pass on what is granted, and read no more while something waits."""
        self._waiting += [data[at : at + frames.DATA_MAX] for at in range(0, len(data), 16384)]
        self.flush()
        if self._waiting:
            self.call.pause()

    def on_drain(self) -> None:
        """Nothing: bodies are sent whole."""

    def on_end(self) -> None:
        """Pass the end on, once all before it has left."""
        self._is_complete = True
        self.flush()

    def on_fail(self, failure: WorkerFailed) -> None:
        """Say that the engine broke off."""
        self._agent.say(frames.RESET, struct.pack(">H", frames.BROKEN), self._number)

    def flush(self) -> None:
        """Send what may be sent."""
        while self._waiting and self.granted - self.sent >= len(self._waiting[0]):
            piece = self._waiting.pop(0)
            self.sent += len(piece)
            self._agent.say(frames.DATA, piece, self._number)
        if self._is_complete and not self._waiting:
            self._agent.say(frames.DATA, b"", self._number, frames.FIN)

    def grant(self, offset: int) -> None:
        """Take a credit."""
        self.granted = offset
        self.flush()
        if not self._waiting:
            self.call.resume()


class Agent(asyncio.Protocol):
    """See the module."""

    def __init__(self, identity: Identity, port: int, mocks: list[int]) -> None:
        self._identity = identity
        self._client = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/agents/v1/tunnel"))
        self._engine = HttpTransport(lambda _: b"")
        self._workers = [
            Worker(f"mock_{mock}", f"http://127.0.0.1:{mock}/v1", MODEL, ()) for mock in mocks
        ]
        self._streams: dict[int, Relayed] = {}
        self._transport: Any = None
        self._seen = b""
        self._is_open = self._is_leaving = False
        self._out: list[bytes] = []
        self._seq = 0
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to become a WebSocket."""
        self._transport = transport
        self._client.send_request(self._client.connect())
        self._transport.write(b"".join(self._client.data_to_send()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the link is gone."""
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """Take frames, behind the answer to the handshake."""
        self._seen += data
        if not self._is_open:
            _, separator, rest = self._seen.partition(b"\r\n\r\n")
            if not separator:
                return
            self._is_open, self._seen = True, rest
        self._cut()

    def _cut(self) -> None:
        seen, at = self._seen, 0
        while len(seen) - at >= 2:
            size, start = seen[at + 1], at + 2
            if size == TWO_BYTES and len(seen) - at >= 4:
                (size,), start = struct.unpack_from(">H", seen, at + 2), at + 4
            elif size == EIGHT_BYTES and len(seen) - at >= 10:
                (size,), start = struct.unpack_from(">Q", seen, at + 2), at + 10
            elif size >= TWO_BYTES:
                break
            if len(seen) - start < size:
                break
            self._take(seen[start : start + size])
            at = start + size
        self._seen = seen[at:]

    def _take(self, message: bytes) -> None:
        kind, _, number = frames.read_head(message)
        payload = message[frames.HEAD_BYTES :]
        stream = self._streams.get(number)
        if kind == frames.OPEN:
            self._ask(number, payload)
        elif kind == frames.CREDIT and stream is not None:
            stream.grant(frames.read_credit(payload))
        elif kind == frames.RESET and stream is not None:
            self._streams.pop(number).call.abort()
        elif kind == frames.PING:
            self.say(frames.PONG, payload)
        elif kind == frames.CHALLENGE:
            said = msgpack.decode(payload)
            hello = self._identity.hello(said["gateway"], said["nonce"])
            self.say(frames.HELLO, msgpack.encode(hello))
        elif kind == frames.WELCOME:
            self._beat()

    def _ask(self, number: int, payload: bytes) -> None:
        (size,) = struct.unpack_from(">H", payload)
        method, path, lines, *_ = msgpack.decode(payload[2 : 2 + size])
        relayed = self._streams[number] = Relayed(self, number)
        worker = self._workers[number % len(self._workers)]
        if method == "GET":
            relayed.call = self._engine.probe(worker, relayed)
        else:
            body = payload[2 + size :]
            relayed.call = self._engine.ask(worker, path, lines, body, relayed, Load())

    def _beat(self) -> None:
        self._seq += 1
        boot = self._identity.hello("", b"")["boot"]
        state = self._identity.state(boot, self._seq, models=[served(MODEL)], slots=SLOTS)
        self.say(frames.STATE, msgpack.encode(state))
        asyncio.get_running_loop().call_later(3.0, self._beat)

    def say(self, kind: int, payload: bytes, number: int = 0, flags: int = 0) -> None:
        """Send a frame with the end of this turn of the loop."""
        frame = frames.frame(kind, payload, number, flags)
        size = len(frame)
        length = (
            bytes((0x82, 0x80 | size))
            if size < TWO_BYTES
            else bytes((0x82, 0xFE)) + struct.pack(">H", size)
        )
        self._out += (length, NO_MASK, frame)
        if not self._is_leaving:
            self._is_leaving = True
            asyncio.get_running_loop().call_soon(self._leave)

    def _leave(self) -> None:
        self._is_leaving = False
        out, self._out = self._out, []
        if not self._transport.is_closing():
            self._transport.write(b"".join(out))


def enrol(valkey_url: str, count: int) -> list[Identity]:
    """Publish agents, the key that their tokens are good by, and them as the only workers."""
    client, platform = redis.Redis.from_url(valkey_url), Platform()
    identities = [Identity(platform, f"agt_bench{number}") for number in range(count)]
    keys = platform.entries[pass_keys.NAME]
    assert isinstance(keys, pass_keys.PassKeys)  # noqa: S101 - it has just put it there
    client.set(pass_keys.NAME, pass_keys.dump(keys))
    for identity in identities:
        identity.now = time.time()
        client.set(agent_key(identity.agent), agents.dump(identity.entry))
    pool = Pool(2, f"shared/{MODEL}", tuple(_worker(identity) for identity in identities))
    client.set(pool_key(pool.name), dump(pool))
    client.publish(CHANGES, json.dumps({"key": pool_key(pool.name), "version": 2}))
    return identities


def _worker(identity: Identity) -> Worker:
    name = f"wrk_{identity.agent}"
    operations = ("chat/completions",)
    return Worker(name, "", MODEL, operations, agent=identity.agent, served_name=MODEL)


async def run(identity: Identity, port: int, mocks: list[int]) -> None:
    """Dial until somebody answers, and then for as long as the link lasts."""
    loop = asyncio.get_running_loop()
    while True:
        agent = Agent(identity, port, mocks)
        try:
            await loop.create_connection(lambda: agent, "127.0.0.1", port)  # noqa: B023
        except OSError:
            await asyncio.sleep(0.1)
            continue
        await agent.gone.wait()
        await asyncio.sleep(0.1)


async def run_all(identities: list[Identity], port: int, mocks: list[int]) -> None:
    """Have all of them dial."""
    await asyncio.gather(*(run(identity, port, mocks) for identity in identities))


def main() -> None:
    """Enrol, dial in, serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.tunnel_agent")
    parser.add_argument("--valkey", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("mocks", type=int, nargs="+")
    asked = parser.parse_args()
    identities = enrol(asked.valkey, asked.agents)
    uvloop.run(run_all(identities, asked.port, asked.mocks))


if __name__ == "__main__":
    main()
