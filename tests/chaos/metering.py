"""The crash suite of metering: rounds of kills under load, then the books."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Any

import redis

from tests.chaos import books
from tests.chaos.faults import words
from tests.chaos.load import Load, WillingWorker
from tests.chaos.scene import Scene, furnish
from tests.chaos.stage import Stage, until
from tests.chaos.suite import Suite

KINDS = (
    *("gateway", "valkey", "consumer", "postgres", "gateway", "two at once"),
    *("valkey with loss", "valkey wiped"),
)
REST_S = 120.0
"""How long everything has to come to rest: leases run out, reaping waits for two of them, and
what a killed consumer had read is claimed half a minute later."""


class Chaos:
    """One run."""

    def __init__(self, stage: Stage, scene: Scene, chance: random.Random) -> None:
        self._stage = stage
        self._scene = scene
        self._chance = chance
        self._load = Load(scene.project, scene.key, stage.ports, chance)
        self._done: list[str] = []
        self._overdue: dict[str, float] = {}

    async def run(self, rounds: int) -> None:
        """Serve, kill and start again; then wait for rest."""
        worker = WillingWorker()
        await worker.start(self._scene.worker_port)
        await self._stage.wait_until_served()
        async with asyncio.TaskGroup() as watching:
            watchers = [
                watching.create_task(self._stage.watch_file()),
                watching.create_task(self._watch_leases()),
            ]
            await self._play(rounds)
            await self._rest()
            for watcher in watchers:
                watcher.cancel()
        await worker.stop()

    async def _play(self, rounds: int) -> None:
        async with asyncio.TaskGroup() as calling:
            calling.create_task(self._load.run())
            for number in range(rounds):
                await self._round(number, self._kind(number))
            await asyncio.sleep(3)
            self._load.is_over = True

    def _kind(self, number: int) -> str:
        if number % len(KINDS) == 0:
            self._order = self._chance.sample(KINDS, len(KINDS))
        return self._order[number % len(KINDS)]

    async def _round(self, number: int, kind: str) -> None:
        self._load.round = number
        await asyncio.sleep(self._chance.uniform(1.0, 6.0))
        said = await self._stage.kill(kind)
        await asyncio.sleep(self._chance.uniform(0.0, 2.5))
        await self._stage.start_again(said)
        seen = self._load.endings(number)
        self._done.append(said)
        print(f"{number + 1:3} {said:32} {words(seen)}", flush=True)

    async def _watch_leases(self) -> None:
        while True:
            try:
                late = books.overdue(self._stage.valkey, self._scene.project, self._excused_s())
            except redis.RedisError:
                late = []
            for name, seconds in late:
                self._overdue[name] = max(seconds, self._overdue.get(name, 0))
            await asyncio.sleep(1)

    def _excused_s(self) -> float:
        """Return how long nothing has happened that reaping may wait for."""
        now, actors = time.monotonic(), self._stage.actors
        gateways = [actor for name, actor in actors.items() if name in self._stage.ports]
        began = max(actors["valkey"].up_at, min(actor.up_at for actor in gateways))
        killed_at = max(actor.killed_at for actor in gateways)
        return now - max(began + books.AFTER_RETURN_S, killed_at + books.LOCK_S)

    async def _rest(self) -> None:
        began = time.monotonic()

        async def is_at_rest() -> bool:
            return not books.unsettled(self._stage.valkey, self._scene.project)

        is_quiet = await until(is_at_rest, REST_S)
        print(f"at rest after {time.monotonic() - began:.0f} s: {is_quiet}", flush=True)

    # ── The verdict ────────────────────────────────────────────────────────────────────

    def judge(self) -> books.Findings:
        """Compare the books, print every figure, and say what is wrong."""
        told = self._load.told
        records, totals = books.read(self._stage.environment["DATABASE_URL"])
        found = books.compare(told, records, self._scene.price_per_million)
        counted, account = books.compare_valkey(self._stage.valkey, self._scene.project, totals)
        found.wrong |= counted.wrong
        found.wrong |= books.compare_months(
            self._stage.valkey, self._scene.project, self._stage.environment["DATABASE_URL"]
        ).wrong
        found.add("overdue leases", self._overdue.items())
        found.add("reconcile differences", books.reconcile(self._stage.environment))
        self._print_rounds(records)
        print(f"requests {len(told)}: {words(Counter(one.ending for one in told))}")
        print(f"records {len(records)}: {words(books.sources(told, records))}")
        print(f"refusals: {words(Counter(one.code for one in told if one.code))}")
        print(f"Valkey's account: {account}")
        return found

    def _print_rounds(self, records: Any) -> None:
        print("round  killed                            seen  measured estimated lost")
        for number, said in enumerate(self._done):
            mine = [one for one in self._load.told if one.round == number]
            seen = [one for one in mine if one.ending in ("finished", "cut")]
            by = books.sources(mine, records)
            lost = sum(one.request_id not in records for one in seen)
            print(
                f"{number + 1:5}  {said:32} {len(seen):5} {by['measured']:9} "
                f"{by['estimated']:9} {lost:4}"
            )


def begin(stage: Stage, chance: random.Random) -> Chaos:
    """Furnish the stage and start what is killed later."""
    scene = furnish(stage)
    stage.add_programs()
    return Chaos(stage, scene, chance)


SUITE = Suite(Stage, begin)
