"""Links without sockets or time: what a test hands in, and what comes out, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import msgpack

from inference.fleet.load import Load
from inference.fleet.tunnel import frames
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.link import Link
from inference.fleet.tunnel.links import Links
from inference.fleet.tunnel.stream import Stream
from inference.fleet.tunnel.trust import Trust
from inference.fleet.tunnel.wire import Wire
from inference.tests.asker import Asker
from inference.tests.identities import NOW, Identity, Platform
from inference.tests.interpreted import skip_if_compiled
from inference.tests.tunnels import Heard

skip_if_compiled()

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream and payload."""


class ScriptedWire(Wire):
    """A connection that a test plays."""

    def __init__(self) -> None:
        self.link: Link
        self.sends = False
        self.calls: list[Callable[[], None]] = []
        self.closed: tuple[int, str] | None = None
        self.faults: list[Exception] = []
        self.blocked = 0.0

    def send_soon(self) -> None:
        self.sends = True

    def later(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def blocked_s(self, now: float) -> float:
        return self.blocked

    def shut(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def report(self, fault: Exception) -> None:
        self.faults.append(fault)

    # What tests do with it.

    def turn(self) -> None:
        """Let the loop go round until it has nothing to do."""
        while self.calls:
            calls, self.calls = self.calls, []
            for call in calls:
                call()

    def out(self, room: int = 1 << 30) -> list[Frame]:
        """Take out what is to be sent, as frames."""
        self.sends = False
        return [parsed(message) for message in self.link.take_out(room) if message]

    def take(self, kind: int, payload: bytes = b"", number: int = 0, flags: int = 0) -> None:
        """Let the agent say this, in one read."""
        self.link.take(frames.frame(kind, payload, number, flags))
        self.link.streams.settle()

    def say(self, kind: int, said: Any, number: int = 0, flags: int = 0) -> None:
        self.take(kind, msgpack.encode(said), number, flags)

    def head(self, number: int, status: int = 200, lines: bytes = b"", flags: int = 0) -> None:
        self.say(frames.HEADERS, [status, lines], number, flags)

    def data(self, number: int, data: bytes, flags: int = 0) -> None:
        self.take(frames.DATA, data, number, flags)


def parsed(message: bytes) -> Frame:
    size = message[1]
    start = 2 if size < 126 else 4 if size == 126 else 10
    frame = message[start:]
    return (*frames.read_head(frame), frame[frames.HEAD_BYTES :])


class Hall:
    """Links, and agents that dial in one after the other. ``now`` is the loop's clock."""

    def __init__(self, config: TunnelConfig | None = None) -> None:
        self.now = 100.0
        self.unix = NOW
        self.platform = Platform()
        self.heard = Heard()
        self.answers: list[Callable[[], None]] = []
        self.is_slow = False
        trust = Trust(self._resolve, lambda: self.unix)
        config = config or TunnelConfig()
        told, clock = self.heard.told(), lambda: self.unix
        self.links = Links("gtw_1", trust, told, config, lambda: self.now, clock)

    def _resolve(self, names: Any, then: Any) -> None:
        if self.is_slow:
            self.answers.append(lambda: self.platform.resolve(names, then))
        else:
            self.platform.resolve(names, then)

    def connect(self) -> ScriptedWire:
        wire = ScriptedWire()
        wire.link = self.links.make(wire, "192.0.2.1")
        return wire

    def hello(self, wire: ScriptedWire, identity: Identity, **hello: Any) -> None:
        [(_, _, _, challenge)] = wire.out()
        said = msgpack.decode(challenge)
        wire.say(frames.HELLO, identity.hello(said["gateway"], said["nonce"], **hello))

    def dial(self, identity: Identity | None = None, **hello: Any) -> ScriptedWire:
        """Return the wire of an agent that may be asked."""
        identity = identity or Identity(self.platform)
        wire = self.connect()
        self.hello(wire, identity, **hello)
        if wire.closed is None:
            wire.say(frames.STATE, identity.state(wire.link.hello.boot))
            wire.out()
        return wire

    def pass_time(self, seconds: float) -> None:
        """Let so much go by, in the steps of the real clock."""
        for _ in range(int(seconds * 4)):
            self.now += 0.25
            self.unix += 0.25
            self.links.tick()


def ask(wire: ScriptedWire, body: bytes | None = b"{}", head: bytes = b"h") -> tuple[Stream, Asker]:
    """Begin a request, and let its OPEN leave."""
    asker = Asker()
    stream = wire.link.streams.ask(Load(), head, body, asker)
    wire.link.streams.open_waiting()
    return stream, asker
