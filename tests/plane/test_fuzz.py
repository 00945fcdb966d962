"""Mutated requests never break a connection, and nothing malformed passes it.

The real protocol class on a pretended transport, before a core and pages that only write down
what reaches them, and answer when chance says so. A second reader (``grammar``) sees the whole
stream and says what may have arrived. ``pytest --fuzz-bytes=… --fuzz-seed=…`` as elsewhere.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest

from inference.edges import fast_turn
from tests.plane.edge_harness import Core, EdgeHarness, Wire
from tests.plane.grammar import Wanted, requests_in
from tests.plane.test_connection import MALFORMED
from tests.plane.world import CHAT
from xerotier_site import compiled

HEAD = b"Host: localhost\r\n"
POST = b"POST " + CHAT.encode() + b" HTTP/1.1\r\n" + HEAD
PAGE = b"GET /page?x=1 HTTP/1.1\r\n" + HEAD
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
SEEDS = [
    POST + b'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"model":"m"}',
    # The same head with other lengths: a connection knows it again.
    *(POST + b"Content-Length: %d\r\n\r\n" % size + b"y" * size for size in (0, 1, 1, 9, 500)),
    POST + CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    POST + CHUNKED + b"c8\r\n" + b"x" * 200 + b"\r\n0\r\nX-Trailer: 1\r\n\r\n",
    POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    POST.replace(b"POST", b"GET") + b"\r\n",
    PAGE + b"Accept: */*\r\nX_Under: score\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    PAGE.replace(b"GET", b"HEAD") + b"Connection: keep-alive\r\n\r\n",
    b"POST /form HTTP/1.1\r\nContent-Length: 3\r\n" + HEAD + b"\r\na=b",
    b"POST /form HTTP/1.1\r\n" + HEAD + CHUNKED + b"3\r\na=b\r\n0\r\n\r\n",
    POST + OFFER + b"Content-Length: 4\r\n\r\nGET ",
    POST + OFFER + CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    PAGE + OFFER + b"\r\n",
    b"OPTIONS /x HTTP/1.1\r\n" + HEAD + b"Origin: http://localhost\r\n\r\n",
]
LAST = [
    PAGE + b"Connection: close\r\n\r\n",
    PAGE.replace(b"1.1", b"1.0") + b"\r\n",
    PAGE + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    *(bytes(case.values[0]) for case in MALFORMED if isinstance(case.values[0], bytes)),
]
TOKENS = [b"\r\n", b"\n", b"\r", b"0\r\n\r\n", b": ", b"\x00", b"\xff", b"\t", b" ", b"#", b"%2f"]
TOKENS += [b"Content-Length: 9\r\n", b"Content-Length: 0\r\n", HEAD, PAGE + b"\r\n", b"-1", b";"]
TOKENS += [b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"ffffffff\r\n"]
TOKENS += [b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"HTTP/1.1\r\n"]
LARGE = 2000
STEPS = [1, 7, 100, 65536, 65536]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(autouse=True)
def pretended_core(monkeypatch: pytest.MonkeyPatch) -> None:
    if compiled.is_used():
        # The same bytes meet the same sources, interpreted, in every run of the suite.
        pytest.skip("compiled code knows its core and takes no other in its place")
    monkeypatch.setattr(fast_turn, "Exchange", Core)


def conversation(chance: random.Random) -> bytes:
    """Pipeline a few requests, perhaps one of a kind that ends the connection."""
    asked = [chance.choice(SEEDS) for _ in range(chance.randrange(1, 6))]
    if chance.random() < 0.3:
        last = chance.choice(LAST)
        if len(last) < LARGE or chance.random() < 0.02:
            asked.insert(chance.randrange(len(asked) + 1), last)
    return b"".join(asked)


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


def play(harness: EdgeHarness, data: bytes) -> Wire:
    """Feed it in pieces as a loop would, and end what then waits."""
    wire = harness.connect()
    step = harness.chance.choice(STEPS if len(data) < 4000 else STEPS[2:])
    for at in range(0, len(data), step):
        harness.let_happen(wire)
        if wire.closed:
            break
        wire.protocol.data_received(data[at : at + step])
        harness.check_bounds(wire, step)
    harness.answer_all(wire)
    return wire


def judge(harness: EdgeHarness, wire: Wire, data: bytes) -> None:
    """Hold what happened against what the strict reader says."""
    wanted = requests_in(data)
    said = (data, harness.told, wire.answers())
    assert not harness.troubles, (harness.troubles, said)
    assert len(harness.told) <= len(wanted), said
    for told, want in zip(harness.told, wanted, strict=False):
        target = told.target.removesuffix(b"?"), want.target.removesuffix(b"?")
        assert (told.method, target[0]) == (want.method, target[1]), said
        assert told.fields == expected_fields(want, is_page=told.is_page), said
        if told.is_whole:
            assert told.body == want.body, said
    numbers = [number for number, _ in wire.answers()]
    refusals = [status for number, status in wire.answers() if number is None]
    assert numbers == [*range(len(numbers) - len(refusals)), *([None] * len(refusals))], said
    assert len(refusals) <= 1, said
    if not wire.has_left and not wire.ended_early:
        assert refusals or len(harness.told) == len(wanted), said
        whole = [told for told in harness.told if told.is_whole and not told.was_spoiled]
        assert len(whole) <= len(numbers) - len(refusals), said


def expected_fields(want: Wanted, *, is_page: bool) -> list[tuple[bytes, bytes]]:
    """Return the fields that may pass: no underscores, and no tales of strangers to pages."""
    kept = [known for known in want.fields if b"_" not in known[0]]
    if is_page:
        kept = [known for known in kept if not known[0].startswith((b"forwarded", b"x-forwarded-"))]
    return kept


def test_mutated_requests_neither_break_a_connection_nor_pass_it(
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(request.config.getoption("--fuzz-seed"))
    wanted = request.config.getoption("--fuzz-bytes")
    fed = rounds = reached = 0
    while fed < wanted:
        data = mutated(chance, conversation(chance))
        harness = EdgeHarness(loop, chance)

        judge(harness, play(harness, data), data)

        fed += len(data)
        rounds += 1
        reached += len(harness.told)
    assert reached > rounds / 2
    record_testsuite_property("fuzz_request_bytes", fed)
    record_testsuite_property("fuzz_connections", rounds)
    record_testsuite_property("fuzz_requests_that_reached_somebody", reached)


@pytest.mark.parametrize("step", [1, 2, 7, 65536])
def test_sound_requests_are_all_answered_however_they_are_cut(
    loop: asyncio.AbstractEventLoop, step: int
) -> None:
    data = b"".join(SEEDS)
    for seed in range(20):
        harness = EdgeHarness(loop, random.Random(seed), is_patient=True)
        wire = harness.connect()
        for at in range(0, len(data), step):
            harness.let_happen(wire)
            wire.protocol.data_received(data[at : at + step])
        harness.answer_all(wire)

        judge(harness, wire, data)
        assert [number for number, _ in wire.answers()] == list(range(len(SEEDS)))
