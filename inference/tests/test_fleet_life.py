"""What every transport keeps to: requests begin, go on, are given up and end alike on each."""

from __future__ import annotations

import asyncio
from importlib import import_module

import pytest

from inference.http.lines import Headers
from inference.tests.asker import Asker
from inference.tests.carried import Carry, Turn
from inference.tests.fleets import LOOPS, PATH, until
from tests.clock import own_time

pytestmark = pytest.mark.anyio

CANCEL_BOUND_S = 0.05
PIECE = b"x" * 65536
PIECES = 4096


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


WAYS = {
    "http": "carried_over_http",
    "tunnel": "carried_over_tunnel",
    "hop": "carried_over_hop",
    "in process": "carried_in_process",
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def carry(request: pytest.FixtureRequest) -> Carry:
    found: Carry = import_module(f"inference.tests.{request.param}").carry
    return found


async def silent(turn: Turn) -> None:
    await turn.asked()
    await turn.left()


async def friendly(turn: Turn) -> None:
    await turn.asked()
    await turn.say(b"one", b"two")
    await turn.finish()


async def flood(turn: Turn) -> None:
    """Answer 256 MiB, as fast as they are taken."""
    await turn.asked()
    for _ in range(PIECES):
        await turn.say(PIECE)


async def test_answer_comes_whole_in_order_and_is_counted(carry: Carry) -> None:
    async with carry(friendly) as stage:
        _, asker = stage.ask(b"{1}")
        assert asker.calls == []
        assert stage.fleet.in_flight("w1") == 1

        await asker.finished()

        load = stage.fleet.stats().workers["w1"]
        assert (load.asked, load.failed, load.in_flight) == (1, 0, 0)
    assert (asker.status, asker.body, asker.ended) == (200, b"onetwo", True)
    assert asker.headers == [(b"content-type", b"text/event-stream")]
    assert (asker.calls[0], asker.calls[-1]) == ("head", "end")
    assert stage.bodies == [b"{1}"]


@pytest.mark.parametrize("heard", [b"", b"data"], ids=["before the head", "mid-stream"])
async def test_abort_frees_the_worker_within_the_cancel_bound(carry: Carry, heard: bytes) -> None:
    async def script(turn: Turn) -> None:
        await turn.asked()
        if heard:
            await turn.say(heard)
        await turn.left()

    async with carry(script) as stage:
        call, asker = stage.ask()
        await until(lambda: bool(stage.bodies))
        await asker.heard(heard)
        told = list(asker.calls)

        left_at = own_time()
        call.abort()
        await until(stage.turns[0].gone.is_set)
        took_s = own_time() - left_at

        assert took_s < CANCEL_BOUND_S
        assert asker.calls == told
        await until(lambda: stage.is_quiet)
        assert stage.fleet.stats().workers["w1"].failed == 0


async def test_abort_at_once_and_twice_leaves_nothing(carry: Carry) -> None:
    async with carry(silent) as stage:
        call, asker = stage.ask()
        call.abort()
        call.abort()
        call.tell(asker)

        await until(lambda: stage.is_quiet)
        assert asker.calls == []
        assert stage.bodies == []


@pytest.mark.parametrize("turns", range(8))
async def test_abort_in_any_turn_of_the_loop_leaves_nothing(carry: Carry, turns: int) -> None:
    async with carry(silent) as stage:
        for _ in range(5):
            call, asker = stage.ask()
            for _ in range(turns):
                await asyncio.sleep(0)
            call.abort()
            assert asker.calls == []

        await until(lambda: stage.is_quiet)


async def test_abort_from_within_a_push_is_the_last_push(carry: Carry) -> None:
    class Fickle(Asker):
        def on_head(self, status: int, headers: Headers) -> None:
            super().on_head(status, headers)
            calls[0].abort()

    calls = []
    async with carry(friendly) as stage:
        call, asker = stage.ask(asker=Fickle())
        calls.append(call)
        await until(lambda: asker.status == 200)
        await until(lambda: stage.is_quiet)

    assert asker.calls == ["head"]


async def test_paused_answer_stops_the_worker_and_goes_on(carry: Carry) -> None:
    async with carry(flood) as stage:
        call, asker = stage.ask()
        await asker.heard(b"x")
        call.pause()
        heard = said = -1
        while (heard, said) != (len(asker.pieces), stage.turns[0].said):  # the reads under way
            heard, said = len(asker.pieces), stage.turns[0].said
            await asyncio.sleep(0.05)

        assert heard <= said < PIECES
        assert not asker.ended

        call.resume()
        await until(lambda: len(asker.pieces) > heard + 10)
        call.abort()
        await until(lambda: stage.is_quiet)


async def test_pause_before_the_worker_is_reached_holds_too(carry: Carry) -> None:
    async with carry(friendly) as stage:
        call, asker = stage.ask()
        call.pause()
        await until(lambda: bool(stage.bodies))
        await asyncio.sleep(0.02)
        assert asker.calls == []

        call.resume()
        await asker.finished()

    assert asker.body == b"onetwo"


async def test_answer_is_told_to_another_from_the_moment_it_should_be(carry: Carry) -> None:
    go = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.asked()
        await turn.say(b"one")
        await go.wait()
        await turn.say(b"two")
        await turn.finish()

    async with carry(script) as stage:
        call, first = stage.ask()
        await first.heard(b"one")
        second = Asker()
        call.tell(second)
        go.set()
        await second.finished()

    assert (first.body, first.ended) == (b"one", False)
    assert (second.calls, second.body) == (["data", "end"], b"two")


async def test_streamed_body_arrives_as_it_was_written(carry: Carry) -> None:
    async with carry(friendly) as stage:
        call, asker = stage.ask(body=None)
        for piece in (b"first", b"", b"second"):
            call.write(piece)
        call.end()
        call.end()
        await asker.finished()

        assert call.write(b"late")
    assert stage.bodies == [b"firstsecond"]


async def test_worker_that_does_not_read_slows_the_upload(carry: Carry) -> None:
    go, written = asyncio.Event(), 0

    async def script(turn: Turn) -> None:
        await go.wait()
        await friendly(turn)

    async def upload() -> None:
        nonlocal written
        while not go.is_set():
            asker.drained.clear()
            written += 1
            if not call.write(PIECE):
                await asker.drained.wait()
        call.end()

    async with carry(script) as stage, asyncio.TaskGroup() as tasks:
        call, asker = stage.ask(body=None)
        tasks.create_task(upload())
        before = -1
        while before != written:  # as long as somebody takes them
            before = written
            await asyncio.sleep(0.05)
        assert written < 200  # buffers on the way, not the whole upload

        go.set()
        await asker.finished()
    assert stage.bodies == [PIECE * written]


async def test_worker_that_breaks_off_fails_what_it_began(carry: Carry) -> None:
    heard = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.asked()
        await turn.say(b"one")
        await heard.wait()
        await turn.break_off()

    async with carry(script) as stage:
        _, asker = stage.ask()
        await asker.heard(b"one")
        heard.set()
        await asker.finished()

        assert asker.calls == ["head", "data", "fail"]
        assert asker.failure is not None
        assert asker.failure.reason == "reset"
        load = stage.fleet.stats().workers["w1"]
        assert (load.asked, load.failed, load.in_flight) == (1, 1, 0)
        await until(lambda: stage.is_quiet)


async def test_worker_that_is_not_there_fails_as_connect_and_never_at_once(carry: Carry) -> None:
    asker = Asker()
    async with carry(friendly) as stage:
        stage.fleet.ask(stage.absent, PATH, b"", b"{}", asker)
        assert asker.calls == []

        await asker.finished()

        assert asker.failure is not None
        assert asker.failure.reason == "connect"
        assert stage.fleet.in_flight("w2") == 0


async def test_probe_counts_as_nobodys_request(carry: Carry) -> None:
    async with carry(friendly) as stage:
        asker = Asker()
        stage.fleet.probe(stage.worker, asker)
        assert asker.calls == []
        assert stage.fleet.in_flight("w1") == 0

        await asker.finished()

        assert (asker.status, asker.ended) == (200, True)
        assert stage.fleet.stats().workers == {}


async def test_probe_that_is_given_up_is_heard_of_no_more(carry: Carry) -> None:
    async with carry(silent) as stage:
        asker = Asker()
        call = stage.fleet.probe(stage.worker, asker)
        await until(lambda: bool(stage.bodies))
        call.abort()

        await until(lambda: stage.is_quiet)
        assert asker.calls == []


async def test_close_fails_what_runs_and_what_is_just_beginning(carry: Carry) -> None:
    async with carry(silent) as stage:
        _, running = stage.ask()
        await until(lambda: bool(stage.bodies))
        _, beginning = stage.ask()
        stage.fleet.close()

        await running.finished()
        await beginning.finished()
        assert running.calls == beginning.calls == ["fail"]
        await until(lambda: stage.is_quiet)


async def test_what_is_asked_of_a_closed_fleet_fails_as_connect(carry: Carry) -> None:
    async with carry(silent) as stage:
        stage.fleet.close()
        _, asked = stage.ask()
        probed = Asker()
        stage.fleet.probe(stage.worker, probed)
        assert asked.calls == probed.calls == []

        for asker in (asked, probed):
            await asker.finished()
            assert asker.failure is not None
            assert asker.failure.reason == "connect"
        assert stage.bodies == []
        assert stage.is_quiet
