"""A core and pages that only write down what reaches them, behind the real protocol class.

Chance decides when each answers: at once, at the end of the body, or later, so that answers
overtake whatever can be overtaken.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from inference.edges.context import EdgeContext
from inference.edges.protocol import PlatformProtocol
from inference.exchange.config import PlaneConfig
from inference.gate.head import Head
from inference.gate.passed import Passed
from inference.http.lines import Headers
from inference.http.problems import Refused
from inference.telemetry.turned_away import TurnedAway

CONFIG = PlaneConfig(valkey_url="", peppers=(b"",), allowed_hosts=("localhost",))
ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
NUMBER = re.compile(rb"^x-number: (\d+) (\w+)\r$", re.MULTILINE)
LATER_S = 1000.0
MOMENTS = ("head", "end", "later")


@dataclass
class Told:
    """What reached somebody. ``was_spoiled``: it broke off, so nobody but the edge answered."""

    method: bytes
    target: bytes
    fields: Headers
    is_page: bool
    body: bytes = b""
    is_whole: bool = False
    was_spoiled: bool = False


class Wire:
    """A transport that remembers. As strict as asyncio's about writing after the end."""

    def __init__(self, harness: EdgeHarness) -> None:
        self.closed = self.has_eof = self.paused = self.has_left = self.ended_early = False
        self.out = b""
        self.protocol: Any
        self._harness = harness

    def write(self, data: bytes) -> None:
        if self.has_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not self.closed:
            self.out += data

    def write_eof(self) -> None:
        self.has_eof = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_write_buffer_limits(self, **limits: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._harness.loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def answers(self) -> list[tuple[int | None, int]]:
        """Read what was written: number of the request or none for a refusal, and status."""
        found, rest = [], self.out
        while rest:
            match = ANSWER.match(rest)
            assert match is not None, rest
            rest = rest[match.end() :]
            if match[1] == b"100":
                continue
            known = NUMBER.search(match[2])
            rest = _after_body(match[2], rest, is_head=known is not None and known[2] == b"HEAD")
            found.append((int(known[1]) if known else None, int(match[1])))
        return found


def _after_body(head: bytes, rest: bytes, *, is_head: bool) -> bytes:
    length = re.search(rb"content-length: (\d+)", head)
    if is_head:
        return rest
    if length is not None:
        assert len(rest) >= int(length[1])
        return rest[int(length[1]) :]
    while b"transfer-encoding: chunked" in head:
        size, _, rest = rest.partition(b"\r\n")
        rest = rest[int(size, 16) + 2 :]
        if int(size, 16) == 0:
            return rest
    return b""  # HTTP/1.0 without a length: until the end.


@dataclass
class EdgeHarness:
    """One connection's other side, and chance. It plays the plane for the pretended core.

    A patient one neither leaves nor answers before it has read the whole request.
    """

    loop: asyncio.AbstractEventLoop
    chance: random.Random
    is_patient: bool = False
    stopping: bool = False
    told: list[Told] = field(default_factory=list)
    troubles: list[object] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def clock(self) -> float:
        """Say what time it is: always the same."""
        return 1_700_000_000.0

    def connect(self) -> Wire:
        self.loop.set_exception_handler(lambda _, context: self.troubles.append(context))
        context = EdgeContext(CONFIG)
        context.turned_away = TurnedAway(self.loop.time, lambda *_, **__: None)
        context.plane = self  # type: ignore[assignment] # why: all that the edge reads of it
        wire = Wire(self)
        wire.protocol = PlatformProtocol(
            context, uvicorn_config(self), ServerState(), {}, self.loop
        )
        wire.protocol.connection_made(wire)
        return wire

    def tell(self, told: Told) -> tuple[int, str]:
        """Take a request; return its number and when it is to be answered."""
        self.told.append(told)
        moments = MOMENTS[1:] if self.is_patient else MOMENTS
        return len(self.told) - 1, self.chance.choice(moments)

    def spin(self, times: int = 3) -> None:
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def let_happen(self, wire: Wire) -> None:
        """Let a little of everything happen between two reads; go on only when we read."""
        if self.chance.random() < 0.5:
            self.spin()
        if self.waiting and self.chance.random() < 0.2:
            self.answer_one()
        if not wire.closed and self.chance.random() < 0.05:
            wire.protocol.pause_writing()
            wire.protocol.resume_writing()
        if not self.is_patient and not wire.closed and self.chance.random() < 0.005:
            wire.has_left = True
            wire.close()
        while wire.paused and not wire.closed:
            self.spin()
            if self.waiting:
                self.answer_one()

    def answer_one(self) -> None:
        gate = self.waiting.pop(self.chance.randrange(len(self.waiting)))
        if not gate.done():
            gate.set_result(None)
        self.spin()

    def answer_all(self, wire: Wire) -> None:
        """Answer whatever waits; then let every wait of the connection run out."""
        self._settle()
        protocol = wire.protocol
        wire.ended_early = wire.closed or wire.has_eof
        for _ in range(2):
            protocol.sweep(self.loop.time() + LATER_S)
            self._settle()
        assert wire.closed or protocol.flow.read_paused, "the connection outlives its waits"
        wire.close()
        self._settle()

    def _settle(self) -> None:
        self.spin(8)
        while self.waiting:
            self.answer_one()
            self.spin(8)

    def check_bounds(self, wire: Wire, step: int) -> None:
        bounds, turns = CONFIG.bounds, wire.protocol._turns
        held = sum(turn.waiting_bytes for turn in turns)
        assert held <= bounds.waiting_bytes + step
        assert len(turns) <= bounds.waiting_requests + 1 + step // 20

    async def page(self, scope: Any, receive: Any, send: Any) -> None:
        """Be the pages."""
        target = scope["raw_path"] + b"?" + scope["query_string"]
        told = Told(scope["method"].encode(), target, list(scope["headers"]), is_page=True)
        number, moment = self.tell(told)
        if moment != "head":
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    told.was_spoiled = True
                    return
                told.body += message["body"]
                if not message["more_body"]:
                    break
            told.is_whole = True
        if moment == "later":
            gate = self.loop.create_future()
            self.waiting.append(gate)
            await gate
        said = b"%d %b" % (number, told.method)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-number", said)]})
        await send({"type": "http.response.body", "body": b"page"})


def uvicorn_config(harness: EdgeHarness) -> uvicorn.Config:
    return uvicorn.Config(
        harness.page,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        interface="asgi3",
    )


class Core:
    """In the place of ``Exchange``."""

    def __init__(self, harness: EdgeHarness, caller: Any) -> None:
        self._harness = harness
        self._caller = caller
        self._told: Told
        self._number = 0
        self._moment = ""
        self._is_over = False

    def begin(self, head: Head) -> None:
        self._told = Told(head.method, head.raw_target, _with_length(head), is_page=False)
        head.passed = cast("Passed", self)  # As the gate does: such a head is worth knowing.
        self._number, self._moment = self._harness.tell(self._told)
        if self._moment == "head":
            self._answer()

    def body(self, data: bytes) -> None:
        assert not self._is_over
        assert not self._told.is_whole
        self._told.body += data

    def body_end(self) -> None:
        assert not self._told.is_whole
        self._told.is_whole = True
        if self._moment == "end":
            self._answer()
        elif self._moment == "later":
            gate = self._harness.loop.create_future()
            gate.add_done_callback(lambda _: self._answer())
            self._harness.waiting.append(gate)

    def refuse(self, refusal: Refused) -> None:
        self._told.was_spoiled = True
        self._answer(refusal.status, is_refusal=True)

    def left(self) -> None:
        self._told.was_spoiled |= not self._is_over
        self._is_over = True

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def _answer(self, status: int = 200, *, is_refusal: bool = False) -> None:
        if self._is_over:
            return
        self._is_over = True
        said = b"" if is_refusal else b"x-number: %d %b\r\n" % (self._number, self._told.method)
        has_length = self._harness.chance.random() < 0.5 or is_refusal
        if has_length:
            said += b"content-length: 4\r\n"
        self._caller.start(status, said, has_length=has_length)
        self._caller.write(b"core")
        self._caller.finish()


def _with_length(head: Head) -> Headers:
    """Return the fields as the core sees them: the length is said apart, and may be another."""
    length = b"%d" % head.announced
    return [
        (name, length) if name == b"content-length" and int(value) != head.announced
        else (name, value)
        for name, value in head.headers
    ]  # fmt: skip
