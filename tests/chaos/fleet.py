"""The crash suite of the fleet: rounds of faults under load, each has to heal by itself."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import redis

from inference.contracts.agents import SKEW_S, load_report
from inference.contracts.names import LINKS
from tests.chaos import books
from tests.chaos.faults import HEAL_S, Fault, Healing, is_linked, schedule, words
from tests.chaos.fleet_load import FleetLoad
from tests.chaos.fleet_scene import MODEL, FleetScene, failed_over, furnish, token_ending_in
from tests.chaos.fleet_stage import FleetStage, Machine
from tests.chaos.stage import CONTROL, until
from tests.chaos.suite import Suite

NEVER_S = 4 * HEAL_S
REST_S = 90.0
RELAYS_END_S = 0.2
LONG_AGO_S = -2 * 3600
RUNS_OUT_S = 6.0
"""So long a gateway still takes the token whose end nobody is there to see."""


class FleetChaos:
    """One run."""

    def __init__(self, stage: FleetStage, scene: FleetScene, chance: random.Random) -> None:
        self._stage, self._scene, self._chance = stage, scene, chance
        self._load = FleetLoad(scene.project, scene.key, stage.ports, chance)
        self._healing = Healing()
        self._kinds: dict[str, Callable[[Fault, Machine], Awaitable[None]]] = {
            "link dropped": self._drop,
            "link closed": self._close,
            "agent stopped": self._stop,
            "agent killed": self._kill_agent,
            "gateway killed": self._kill_gateway,
            "control plane restarted": self._restart_control,
            "token expired": self._expire,
            "token ran out unseen": self._run_out,
        }

    async def run(self, rounds: int) -> None:
        """Have the machines join and serve, break and heal; then wait for rest."""
        try:
            await self._begin()
            await self._play(rounds)
            await self._rest()
        finally:
            for machine in self._stage.machines:
                machine.relay.stop()
            await asyncio.sleep(RELAYS_END_S)

    async def _begin(self) -> None:
        stage = self._stage
        await stage.wait_until_served()
        await until(lambda: asyncio.to_thread(stage.actor("control").is_up), 45)
        await stage.add_machines()
        for machine in stage.machines:
            await asyncio.to_thread(stage.join, machine, self._scene.join_key)
            stage.start_machine(machine, MODEL)
        began = time.monotonic()
        assert await self._heals(time.time(), 60), "the fleet does not come up"
        print(f"all linked and answering after {time.monotonic() - began:.1f} s", flush=True)

    async def _play(self, rounds: int) -> None:
        stage = self._stage
        faults = schedule(rounds, len(stage.machines), len(stage.ports), self._chance)
        async with asyncio.TaskGroup() as calling:
            calling.create_task(self._load.run())
            for number, fault in enumerate(faults):
                await self._round(number, fault)
            self._load.is_over = True

    async def _round(self, number: int, fault: Fault) -> None:
        self._load.round = number
        machine = self._stage.machines[fault.agent]
        await asyncio.sleep(fault.before_s)
        await self._kinds[fault.kind](fault, machine)
        since, over = time.time(), time.monotonic()
        is_healed = await self._heals(since, NEVER_S)
        took = time.monotonic() - over
        self._healing.add(fault.kind, took if is_healed else None)
        seen = self._load.endings(number)
        healed = f"healed in {took:4.1f} s" if is_healed else "DID NOT HEAL"
        where = f"{fault.kind} for {fault.lasts_s:.1f} s"
        print(f"{number + 1:3} {where:34} {healed}  {words(seen)}", flush=True)

    # ── Faults: each returns when it is over, and healing begins ───────────────────────

    async def _drop(self, fault: Fault, machine: Machine) -> None:
        machine.cut()
        await asyncio.sleep(fault.lasts_s)
        machine.mend()

    async def _close(self, _fault: Fault, machine: Machine) -> None:
        machine.relay.close_links()

    async def _stop(self, fault: Fault, machine: Machine) -> None:
        self._stage.signal(machine.name, signal.SIGSTOP)
        await asyncio.sleep(fault.lasts_s)
        self._stage.signal(machine.name, signal.SIGCONT)

    async def _kill_agent(self, fault: Fault, machine: Machine) -> None:
        await self._kill_for(fault.lasts_s, machine.name)

    async def _kill_gateway(self, fault: Fault, _machine: Machine) -> None:
        await self._kill_for(fault.lasts_s, sorted(self._stage.ports)[fault.gateway])

    async def _restart_control(self, fault: Fault, _machine: Machine) -> None:
        await self._kill_for(fault.lasts_s, *CONTROL)

    async def _expire(self, fault: Fault, machine: Machine) -> None:
        """Start a machine again that slept through the end of its token."""
        await self._age(machine, LONG_AGO_S, fault.lasts_s)

    async def _run_out(self, fault: Fault, machine: Machine) -> None:
        """Let a token end on a live link, and past all leniency, while nobody can renew it."""
        for name in CONTROL:
            self._stage.actor(name).kill()
        await self._age(machine, RUNS_OUT_S - SKEW_S, 0)
        await asyncio.sleep(RUNS_OUT_S + fault.lasts_s)
        await self._stage.start_again(" + ".join(CONTROL))

    async def _age(self, machine: Machine, ends_in_s: float, off_s: float) -> None:
        token = await asyncio.to_thread(
            token_ending_in, ends_in_s, str(machine.enrolled()["token"])
        )
        self._stage.actor(machine.name).kill()
        await asyncio.sleep(off_s)
        machine.keep(token=token, expires_at=time.time() + ends_in_s)
        await self._stage.start_again(machine.name)

    async def _kill_for(self, seconds: float, *names: str) -> None:
        for name in names:
            self._stage.actor(name).kill()
        await asyncio.sleep(seconds)
        await self._stage.start_again(" + ".join(names))

    # ── Healing ────────────────────────────────────────────────────────────────────────

    async def _heals(self, since: float, patience_s: float) -> bool:
        """Wait until both gateways have heard every agent since then, and answer."""

        async def is_whole() -> bool:
            agents = [machine.agent for machine in self._stage.machines]
            heard = heard_of(self._stage.valkey)
            return is_linked(heard, agents, since, len(self._stage.ports)) and await self._answer()

        return await until(is_whole, patience_s)

    async def _answer(self) -> bool:
        asked = await asyncio.gather(*(self._load.call(name) for name in self._stage.ports))
        return all(one.ending == "finished" for one in asked)

    async def _rest(self) -> None:
        async def is_at_rest() -> bool:
            is_quiet = not books.unsettled(self._stage.valkey, self._scene.project)
            return is_quiet and not self._stage.without_tokens()

        print(f"at rest: {await until(is_at_rest, REST_S)}", flush=True)

    # ── The verdict ────────────────────────────────────────────────────────────────────

    def judge(self) -> books.Findings:
        """Compare the books, print every figure, and say what is wrong."""
        told, url = self._load.told, self._stage.environment["DATABASE_URL"]
        records, totals = books.read(url)
        found = books.compare_presence(told, records)
        counted, _ = books.compare_valkey(self._stage.valkey, self._scene.project, totals)
        months = books.compare_months(self._stage.valkey, self._scene.project, url)
        found.wrong |= counted.wrong | months.wrong
        found.add("wrong answers", [one for one in told if one.is_wrong])
        found.add("hung", [one for one in told if one.ending in ("hung", "running")])
        found.add("wrong tokens", [one for one in told if not _is_counted(one, records)])
        found.add("healed too late", self._healing.too_slow())
        engines = Counter(one.engine for one in told if one.ending == "finished")
        found.add("engines that answered nothing", self._stage.engines() - engines.keys())
        found.add("machines whose token has ended", self._stage.without_tokens())
        found.add("reconcile differences", books.reconcile(self._stage.environment))
        self._print(records, engines, failed_over(url))
        return found

    def _print(self, records: Any, engines: Counter[str], again: int) -> None:
        told = self._load.told
        print(f"requests {len(told)}: {words(Counter(one.ending for one in told))}")
        print(f"refused: {words(Counter(one.code for one in told if one.code)) or 'none'}")
        print(f"answered by {words(engines)}, each held to its own question")
        print(f"answered by another machine than the first that was asked: {again}")
        print(f"records {len(records)}: {words(books.sources(told, records))}")
        print(f"longest request: {max(one.took_s for one in told):.1f} s")
        print("\n".join(self._healing.lines()))


def _is_counted(one: Any, records: Any) -> bool:
    """Say whether what a caller was told of tokens is what was written down."""
    rows = records.get(one.request_id, ())
    if one.ending != "finished" or not rows:
        return True
    return (rows[0].tokens_in, rows[0].tokens_out) == (one.tokens_in, one.tokens_out)


def heard_of(valkey: redis.Redis) -> dict[str, list[float]]:
    """Return when each gateway heard each agent last (Unix seconds)."""
    members: Any = valkey.zrange(LINKS, 0, -1)
    found: dict[str, list[float]] = {}
    for member in members:
        text: Any = valkey.get(f"link:{member}")
        if text:
            found.setdefault(member.partition(":")[0], []).append(load_report(text).seen)
    return found


def begin(stage: FleetStage, chance: random.Random) -> FleetChaos:
    """Furnish the stage and start the platform."""
    scene = furnish(stage)
    stage.add_programs()
    stage.add_control()
    return FleetChaos(stage, scene, chance)


SUITE = Suite(FleetStage, begin)
