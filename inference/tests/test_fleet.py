"""One fleet over several transports: who is reached how, and what adds up across them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from inference.contracts.entries import Worker
from inference.fleet import fleet as known
from inference.fleet.fleet import Fleet
from inference.fleet.health_checks import Prober
from inference.fleet.http.client import HttpTransport
from inference.tests.asker import Asker
from inference.tests.carried import Turn
from inference.tests.carried_in_process import LocalTransport, agent
from inference.tests.fleets import PATH, bearer, until
from inference.tests.upstream import Line, answer, upstream

pytestmark = pytest.mark.anyio

NOBODY_KNOWS = Worker("w9", "", "mock", ())


@dataclass
class Both:
    """A fleet over URLs and agents; both kinds of worker answer when ``go`` is set."""

    fleet: Fleet
    known_by_url: Worker
    agent: Worker
    agents: LocalTransport
    lines: list[Line]
    go: asyncio.Event

    def ask(self, worker: Worker) -> Asker:
        asker = Asker()
        self.fleet.ask(worker, PATH, b"", b"{}", asker)
        return asker

    @property
    def seen(self) -> tuple[int, int]:
        """How many requests came by URL, and how many to the agent."""
        return sum(len(line.requests) for line in self.lines), len(self.agents.turns)


@asynccontextmanager
async def opened() -> AsyncIterator[Both]:
    go = asyncio.Event()

    async def by_url(line: Line) -> None:
        while True:
            await line.request()
            await go.wait()
            await line.say(answer(b"url"))

    async def by_agent(turn: Turn) -> None:
        await turn.asked()
        await go.wait()
        await turn.say(b"agent")
        await turn.finish()

    agents = LocalTransport({"agt_1": by_agent})
    async with upstream(by_url) as up:
        fleet = Fleet([HttpTransport(bearer), agents])
        yield Both(fleet, up.worker("w1"), agent("w2", "agt_1"), agents, up.lines, go)
        fleet.close()


async def test_each_worker_is_reached_by_what_carries_its_address() -> None:
    async with opened() as both:
        both.go.set()
        url = await both.ask(both.known_by_url).finished()
        told = await both.ask(both.agent).finished()

        assert (url.body, told.body) == (b"url", b"agent")
        assert both.seen == (1, 1)


async def test_loads_and_connections_add_up_across_transports() -> None:
    async with opened() as both:
        askers = [both.ask(worker) for worker in (both.known_by_url, both.agent, both.agent)]
        await until(lambda: both.seen == (1, 2))

        stats = both.fleet.stats()
        assert (both.fleet.in_flight("w1"), both.fleet.in_flight("w2")) == (1, 2)
        assert (stats.open_connections, stats.idle_connections, stats.connects) == (3, 0, 3)
        both.go.set()
        for asker in askers:
            await asker.finished()

        await until(lambda: both.fleet.stats().open_connections == 1)
        stats = both.fleet.stats()
        assert {name: load.asked for name, load in stats.workers.items()} == {"w1": 1, "w2": 2}
        assert not any(load.in_flight or load.failed for load in stats.workers.values())
        assert (stats.idle_connections, stats.connects) == (1, 3)


async def test_worker_that_changes_its_address_moves_over_with_its_counts() -> None:
    async with opened() as both:
        before = both.ask(both.known_by_url)
        await until(lambda: both.seen == (1, 0))
        moved = replace(both.agent, worker_id="w1")
        after = both.ask(moved)
        await until(lambda: both.seen == (1, 1))

        assert both.fleet.in_flight("w1") == 2
        both.go.set()
        assert (await before.finished()).body == b"url"
        assert (await after.finished()).body == b"agent"
        assert (await both.ask(both.known_by_url).finished()).body == b"url"
        assert both.fleet.stats().workers["w1"].asked == 3
        assert both.fleet.in_flight("w1") == 0


async def test_agent_that_names_a_url_as_well_is_reached_as_an_agent() -> None:
    async with opened() as both:
        both.go.set()
        told = await both.ask(replace(both.known_by_url, agent="agt_1")).finished()

        assert (told.body, both.seen) == (b"agent", (0, 1))


@pytest.mark.parametrize(
    ("worker", "detail"),
    [
        pytest.param(agent("w9", "agt_1"), "this gateway has no way to reach agent agt_1"),
        pytest.param(NOBODY_KNOWS, "not an http(s) URL"),
    ],
    ids=["an agent", "nothing"],
)
async def test_address_that_nobody_carries_fails_in_words_and_never_at_once(
    worker: Worker, detail: str
) -> None:
    fleet, asked, probed, late = Fleet([HttpTransport(bearer)]), Asker(), Asker(), Asker()
    call = fleet.ask(worker, PATH, b"", None, asked)
    fleet.probe(worker, probed)
    given_up = fleet.ask(worker, PATH, b"", b"{}", late)
    given_up.abort()
    given_up.tell(late)
    assert not call.write(b"kept by whoever asked")
    call.end()
    assert asked.calls == probed.calls == []

    for asker in (asked, probed):
        await asker.finished()
        assert asker.calls == ["fail"]
        assert str(asker.failure) == f"connect: {detail}"
    assert late.calls == []
    assert fleet.in_flight(worker.worker_id) == 0
    fleet.close()


async def test_failure_of_an_unreachable_worker_is_told_to_whoever_asks_last() -> None:
    fleet, first, second = Fleet([]), Asker(), Asker()
    fleet.ask(NOBODY_KNOWS, PATH, b"", b"{}", first).tell(second)
    await second.finished()

    assert (
        str(second.failure)
        == "connect: this gateway has no way to reach a worker without an address"
    )
    assert first.calls == []


async def test_close_closes_every_transport() -> None:
    async with opened() as both:
        askers = [both.ask(worker) for worker in (both.known_by_url, both.agent)]
        await until(lambda: both.seen == (1, 1))
        both.fleet.close()

        for asker in askers:
            await asker.finished()
            assert asker.calls == ["fail"]
        await until(lambda: not both.fleet.stats().open_connections)
        for late in [both.ask(worker) for worker in (both.known_by_url, both.agent)]:
            await late.finished()
            assert late.calls == ["fail"]
        assert both.seen == (1, 1)


async def test_probes_find_workers_of_every_kind_and_count_as_nobodys_request() -> None:
    class Outlist:
        def put_out(self, worker_id: str) -> None:
            out.add(worker_id)

        def let_in(self, worker_id: str) -> None:
            out.discard(worker_id)

    out: set[str] = set()
    async with opened() as both:
        both.go.set()
        workers = [both.known_by_url, both.agent, agent("w3", "agt_gone")]
        prober = Prober(
            both.fleet, Outlist(), lambda: workers, lambda *_, **__: None, every_s=0.02, wait_s=5.0
        )
        prober.start()
        await until(lambda: out == {"w3"} and min(both.seen) >= 2)
        prober.stop()

        assert prober.answered_at("w1") is None  # it is watched no more
        assert both.fleet.stats().workers == {}
        assert both.fleet.in_flight("w1") == both.fleet.in_flight("w2") == 0


async def test_workers_with_work_are_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "WORKERS_MAX", 2)
    async with opened() as both:
        running = both.ask(both.agent)
        others = [both.ask(replace(both.agent, worker_id=f"w{n}", agent="")) for n in (3, 4, 5)]
        await until(lambda: both.seen == (0, 1))

        assert both.fleet.in_flight("w2") == 1
        assert len(both.fleet.stats().workers) <= 3
        both.go.set()
        assert (await running.finished()).body == b"agent"
        assert [(await other.finished()).calls for other in others] == [["fail"]] * 3
        assert both.fleet.in_flight("w2") == 0
