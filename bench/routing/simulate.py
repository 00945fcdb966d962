"""One run: requests come, rules choose, machines work, all in simulated time (discrete events)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from bench.routing.requests import Asked, Load
from bench.routing.rule import Ended, Forecast, MakesRule, Metrics, Rule, Setting
from bench.routing.worker import Machine, Trouble, Worker
from xim.sim.batch import Request

REFUSAL_S = 0.05
"""A worker in trouble refuses a request so soon."""

TRIES = 3
HELD_EVERY_S = 0.1
"""So often rules that hold requests are asked whether one may go."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The machines of a run, and what befalls them; ``says_cached``: whether engines tell."""

    machines: tuple[Machine, ...]
    troubles: tuple[Trouble, ...] = ()
    gateways: int = 1
    slots: int | None = None
    says_cached: bool = True
    index_factor: float = 1.0


@dataclass(slots=True, eq=False)
class Flight:
    """A request under way, and then what became of it (seconds of the run)."""

    asked: Asked
    gateway: int
    worker: int = -1
    sent: float = -1.0
    first: float = -1.0
    ended: float = -1.0
    cached: int = 0
    tries: int = 0
    refused: bool = False
    forecast: Forecast | None = None


@dataclass(slots=True)
class Run:
    """All events of one run. Whatever happens at the same moment happens in order of request."""

    fleet: Fleet
    load: Load
    makes: MakesRule
    seed: int
    now: float = 0.0
    flights: list[Flight] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[..., None], Any]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)
    _at_work: dict[Request, Flight] = field(default_factory=dict)
    _open: int = 0

    workers: list[Worker] = field(init=False)
    rules: list[Rule] = field(init=False)
    _metrics: list[Metrics] = field(init=False)
    _there: list[int] = field(init=False)
    _errors: list[float] = field(init=False)
    _dice: Random = field(init=False)
    _told: list[object] = field(init=False)
    _booked: list[float] = field(init=False)

    def __post_init__(self) -> None:
        machines = self.fleet.machines
        self.workers = [Worker(one) for one in machines]
        self._metrics = [Metrics(0, 0, 0.0)] * len(machines)
        self._there = [number for number, one in enumerate(machines) if one.since <= 0]
        self._errors = [0.0] * len(machines)
        self._booked = [-1.0] * len(machines)
        self._dice = Random(f"{self.seed} errors")
        self.rules = [self.makes(self._setting(number)) for number in range(self.fleet.gateways)]
        self._told = [None] * self.fleet.gateways

    def whole(self) -> list[Flight]:
        """Run until every request has ended; return all of them in order of arrival."""
        for asked in self.load.first():
            self._come(asked)
        self._plan()
        while self._open:
            self.now, _, does, what = heapq.heappop(self._events)
            does(what)
        return self.flights

    def _setting(self, gateway: int) -> Setting:
        fleet = self.fleet
        return Setting(
            fleet.machines,
            Random(f"{self.seed} rule {gateway}"),
            self._metrics,
            self.workers,
            fleet.gateways,
            fleet.slots,
            fleet.index_factor,
        )

    def _plan(self) -> None:
        for number, machine in enumerate(self.fleet.machines):
            if machine.since > 0:
                self._at(machine.since, self._join, number)
        for trouble in self.fleet.troubles:
            self._at(trouble.at, self._trouble, (trouble, trouble.slower, trouble.errors))
            self._at(trouble.until, self._trouble, (trouble, 1.0, 0.0))
        if self.rules[0].metrics_every is not None:
            self._at(0.0, self._measure, self.rules[0].metrics_every)
        if self.rules[0].sight_every is not None and self.fleet.gateways > 1:
            self._at(self.rules[0].sight_every, self._share, self.rules[0].sight_every)
        self._at(HELD_EVERY_S, self._look_after, None)

    def _at(self, moment: float, does: Callable[..., None], what: Any) -> None:
        heapq.heappush(self._events, (moment, next(self._order), does, what))

    def _come(self, asked: Asked) -> None:
        self._open += 1
        self._at(asked.at, self._arrive, asked)

    def _arrive(self, asked: Asked) -> None:
        # Callers are spread over gateways alike for every rule: by number and seed alone.
        mixed = (asked.number + 1) * 0x9E3779B97F4A7C15 + self.seed & (1 << 64) - 1
        flight = Flight(asked, (mixed >> 32) % self.fleet.gateways)
        self.flights.append(flight)
        self._choose(flight, self._there)

    def _choose(self, flight: Flight, there: Sequence[int]) -> None:
        worker = self.rules[flight.gateway].choose(flight.asked, there, self.now)
        if worker is not None:
            self._send(flight, worker)
        else:
            self._held.setdefault(flight.asked.number, flight)

    _held: dict[int, Flight] = field(default_factory=dict)

    def _send(self, flight: Flight, worker: int) -> None:
        rule = self.rules[flight.gateway]
        rule.placed(flight.asked, worker, self.now)
        flight.forecast = rule.forecast(flight.asked)
        flight.worker, flight.sent = worker, self.now
        flight.tries += 1
        if self._errors[worker] and self._dice.random() < self._errors[worker]:
            self._at(self.now + REFUSAL_S, self._refuse, flight)
            return
        asked = flight.asked
        request = Request(asked.blocks, asked.prompt, asked.output)
        self._at_work[request] = flight
        self.workers[worker].arrive(request, self.now)
        self._book(worker)

    def _refuse(self, flight: Flight) -> None:
        """Let a request that its worker refused be tried elsewhere."""
        self.rules[flight.gateway].failed(flight.asked, flight.worker, self.now)
        others = [one for one in self._there if one != flight.worker]
        if flight.tries < TRIES and others:
            self._choose(flight, others)
        else:
            self._end(flight, refused=True)

    def _book(self, worker: int) -> None:
        due = self.workers[worker].due
        if due != self._booked[worker] and due != float("inf"):
            self._at(due, self._work, worker)
        self._booked[worker] = due

    def _work(self, worker: int) -> None:
        if self.workers[worker].due != self.now:
            return  # It was interrupted: another event stands for it.
        firsts, lasts = self.workers[worker].finish(self.now)
        for request in firsts:
            flight = self._at_work[request]
            flight.first = self.now
            self.rules[flight.gateway].first_token(flight.asked, worker, self.now)
        for request in lasts:
            self._answer(self._at_work.pop(request), request)
        self._book(worker)

    def _answer(self, flight: Flight, request: Request) -> None:
        flight.cached = request.cached
        known = Ended(
            request.prompt, request.output, request.cached if self.fleet.says_cached else None
        )
        rule = self.rules[flight.gateway]
        rule.ended(flight.asked, flight.worker, self.now, known)
        self._end(flight)
        if rule.held:
            self._release(rule)

    def _end(self, flight: Flight, *, refused: bool = False) -> None:
        flight.ended, flight.refused = self.now, refused
        self._open -= 1
        following = self.load.after(flight.asked, self.now)
        if following is not None:
            self._come(following)

    def _release(self, rule: Rule) -> None:
        for asked, worker in rule.released(self._there, self.now):
            flight = self._held.pop(asked.number)
            if worker is None:
                self._end(flight, refused=True)
            else:
                self._send(flight, worker)

    def _look_after(self, _: None) -> None:
        for rule in self.rules:
            if rule.held:
                self._release(rule)
        self._at(self.now + HELD_EVERY_S, self._look_after, None)

    def _join(self, worker: int) -> None:
        self._there = sorted([*self._there, worker])

    def _trouble(self, what: tuple[Trouble, float, float]) -> None:
        trouble, slower, errors = what
        self._errors[trouble.worker] = errors
        self.workers[trouble.worker].change(slower, self.now)
        self._book(trouble.worker)

    def _measure(self, every: float) -> None:
        for number, worker in enumerate(self.workers):
            batch = worker.batch
            self._metrics[number] = Metrics(len(batch.waiting), len(batch.running), batch.cache.use)
        self._at(self.now + every, self._measure, every)

    def _share(self, every: float) -> None:
        """Deliver what was told last time, and gather what is told now: one interval late."""
        for sender, said in enumerate(self._told):
            for hearer, rule in enumerate(self.rules):
                if hearer != sender and said is not None:
                    rule.hear(sender, said, self.now)
        self._told = [rule.tell(self.now) for rule in self.rules]
        self._at(self.now + every, self._share, every)
