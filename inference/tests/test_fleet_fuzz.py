"""Mutated answers never break the connection object: it tells one story, and a bounded one.

``pytest --fuzz-bytes=… --fuzz-seed=…`` sets how much is fed and where it begins; the usual run
is short. What was fed is recorded in the report (``--junitxml``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest

from inference.fleet.http.call import HttpCall
from inference.fleet.http.config import HttpConfig
from inference.fleet.http.connection import Connection
from inference.fleet.load import Load
from inference.tests.asker import Asker
from inference.tests.upstream import answer, chunked

SEEDS = [
    answer(b"hello", extra=b"Content-Type: text/plain\r\n"),
    answer(b""),
    chunked(b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n"),
    chunked(b"x" * 300, b"y" * 3_000, end=b"0\r\nX-T: 1\r\n\r\n"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"late"),
    b"HTTP/1.0 200 OK\r\n\r\nuntil close",
    b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    answer(b"too long", status=b"413 Content Too Large", extra=b"Connection: x, close\r\n"),
]
TOKENS = [b"\r\n", b"\n", b"\r", b"0\r\n\r\n", b": ", b"Content-Length: 9\r\n", b"\x00", b"\xff"]
TOKENS += [
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"ffffffffffffffff\r\n",
    b"-1",
]
BOUND = 64 * 1024


class Wire:
    """A transport that only remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.closed = True

    close = abort


class Home:
    """A pool of one, that notes what comes back to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.config = HttpConfig()
        self.now = loop.time
        self.released = 0
        self.sent_again = 0

    def opened(self, connection: Connection) -> None: ...

    def release(self, connection: Connection) -> None:
        self.released += 1

    def lost(self, connection: Connection) -> None: ...

    def again(self, call: HttpCall) -> None:
        self.sent_again += 1


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def mutated(chance: random.Random, data: bytes) -> bytes:
    raw = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(4):
            case 0:
                raw[at:at] = chance.choice(TOKENS)
            case 1:
                del raw[at : at + chance.randrange(1, 9)]
            case 2:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                raw[at:at] = raw[chance.randrange(len(raw) + 1) :][: chance.randrange(1, 40)]
    return bytes(raw)


def pieces_of(chance: random.Random, data: bytes) -> list[bytes]:
    step = chance.choice([1, 7, 100, 65536]) if len(data) < 2000 else chance.choice([999, 65536])
    return [data[at : at + step] for at in range(0, len(data), step)]


def play(home: Home, pieces: list[bytes]) -> tuple[Asker, Wire, Load]:
    """Feed pieces as a loop would: none after the transport was closed, then the end."""
    wire, load, asker = Wire(), Load(), Asker()
    connection = Connection(home)
    connection.connection_made(wire)
    connection.start(HttpCall(load, b"POST / HTTP/1.1\r\n\r\n", b"{}", asker))
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
            assert connection._reader._spare <= BOUND + len(piece)
    wire.closed = True
    connection.connection_lost(None)
    return asker, wire, load


def test_mutated_answers_tell_one_bounded_story(
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(request.config.getoption("--fuzz-seed"))
    wanted = request.config.getoption("--fuzz-bytes")
    fed = rounds = 0
    while fed < wanted:
        data = mutated(chance, chance.choice(SEEDS))
        pieces = pieces_of(chance, data)
        home = Home(loop)

        asker, _, load = play(home, pieces)

        fed += len(data)
        rounds += 1
        told = "".join(call[0] for call in asker.calls)  # h d* (e|f)
        assert told.strip("h").strip("d") in {"e", "f"}, (told, pieces)
        assert told.startswith("h") or told == "f", (told, pieces)
        assert told.count("h") <= 1
        assert load.in_flight == 0
        assert len(asker.body) <= len(data)
        assert home.released <= asker.ended
        assert home.sent_again == 0
    record_testsuite_property("fuzz_answer_bytes", fed)
    record_testsuite_property("fuzz_answers", rounds)


def test_unmutated_seeds_end_well_however_they_are_cut(loop: asyncio.AbstractEventLoop) -> None:
    for seed in SEEDS:
        bodies = set()
        for step in (1, 2, 7, 65536):
            pieces = [seed[at : at + step] for at in range(0, len(seed), step)]
            asker, _, _ = play(Home(loop), pieces)
            assert asker.ended
            bodies.add(asker.body)
        assert len(bodies) == 1
