"""A whole exchange between a scripted worker and a scripted caller, with a purse of its own.

Real gate, tables, relay, clock and arithmetic of holds; only the sockets and Valkey are not
there: bytes are pushed in as a fleet would, and the purse holds, renews and settles as the
library does, on one account.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from inference.admission.holds import Hold, hold_of, price
from inference.admission.ports import Ask, OnVerdict, Verdict
from inference.contracts.entries import Grant, Pool, Route, Worker, dump
from inference.contracts.events import UsageEvent
from inference.contracts.keys import checksum, digest_of
from inference.contracts.names import grant_key, pool_key, route_key
from inference.contracts.operations import OPERATIONS
from inference.exchange.config import PlaneConfig
from inference.exchange.exchange import Exchange
from inference.exchange.plane import Plane
from inference.exchange.slow_readings import SlowReadings
from inference.exchange.timers import Wheel
from inference.fleet.fleet import Fleet
from inference.fleet.load import Load
from inference.fleet.ports import Answer, Connections, Transport, WorkerFailed
from inference.gate.head import Head
from inference.gate.tables import IS_WHOLE, OnTexts, Tables
from inference.http.lines import Headers, Lines
from inference.http.problems import Refused
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.router import Router
from inference.telemetry.faults import Faults
from inference.telemetry.outcome import Outcome
from inference.tests.asks import route_of
from inference.tests.interpreted import skip_if_compiled
from inference.tests.scripted_loop import ScriptedLoop

skip_if_compiled()

PEPPER = b"pepper"
FRONT = f"xero_acme_{1:043}"
KEY = FRONT + checksum(FRONT)
POOL = "shared"
GRANT = Grant(version=1, key_id="key_1", project="proj_Acme00000001", scopes=("inference",))


class Purse:
    """``ports.Limiter`` on one account in tokens. Verdicts come when ``say`` is called."""

    is_restored = True

    def __init__(self, budget: int, chance: random.Random) -> None:
        self.budget, self.spent, self.held = budget, 0, 0
        self.renewals = 0
        self.ceiling = 0
        self.settled: list[UsageEvent] = []
        self._chance = chance
        self._holds: dict[str, tuple[Hold, Route, int]] = {}
        self._waiting: deque[Callable[[], None]] = deque()

    def admit(self, ask: Ask, on_verdict: OnVerdict) -> bool:
        hold = hold_of(ask)

        def decide() -> None:
            if self.spent + self.held + hold.money > self.budget:
                on_verdict(Verdict(False, "budget_exceeded", "No."))
                return
            self.held += hold.money
            self._holds[ask.request_id] = hold, ask.route, ask.n
            self.ceiling = hold.money
            on_verdict(Verdict(True, hold_tokens=hold.covered))

        self._later(decide)
        return False

    def shut(self, grant: Grant, route: Route) -> Verdict | None:
        return None

    def renew(self, request_id: str, tokens_so_far: int, on_verdict: OnVerdict) -> None:
        self.renewals += 1

        def decide() -> None:
            if request_id not in self._holds:
                return
            hold, route, _ = self._holds[request_id]
            covered = hold.held if hold.covered is None else hold.covered
            more = -(-(tokens_so_far + hold.step - covered) // hold.step) * hold.step
            money = price(route.terms, 0, max(more, hold.step))
            if self.spent + self.held + money > self.budget:
                on_verdict(Verdict(False, "budget_exceeded", "No."))
                return
            self.held += money
            self.ceiling += money
            hold.money += money
            hold.covered = covered + max(more, hold.step)
            on_verdict(Verdict(True, hold_tokens=hold.covered))

        self._later(decide)

    def settle(self, event: UsageEvent) -> None:
        hold, _, _ = self._holds.pop(event.request_id)
        self.held -= hold.money
        self.spent += event.cost
        self.settled.append(event)

    def say(self) -> None:
        """Let all verdicts arrive."""
        while self._waiting:
            self._waiting.popleft()()

    def _later(self, decide: Callable[[], None]) -> None:
        self._waiting.append(decide)
        if self._chance.random() < 0.7:
            self.say()


class ScriptedCall:
    """``ports.Call``: what was asked of a worker, and who hears it."""

    def __init__(self, answer: Answer, sends: Sequence[object], body: bytes | None) -> None:
        self.answer = answer
        self.body = body or b""
        self.sends = deque(sends)
        self.heard: list[object] = []
        self.is_paused = self.is_over = False

    def write(self, data: bytes) -> bool:
        return True

    def end(self) -> None: ...

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def abort(self) -> None:
        self.is_over = True

    def tell(self, answer: Answer) -> None:
        self.answer = answer

    def step(self) -> None:
        """Let the worker do the next thing of its script."""
        step = self.sends.popleft()
        self.heard.append(step)
        if isinstance(step, tuple):
            self.answer.on_head(*step)
        elif isinstance(step, bytes):
            self.answer.on_data(step)
        elif step == "end":
            self.is_over = True
            self.answer.on_end()
        else:
            self.is_over = True
            self.answer.on_fail(WorkerFailed("reset"))


class ScriptedWorkers(Transport):
    """``ports.Transport``: each request gets the next script."""

    def __init__(self, scripts: Sequence[Sequence[object]]) -> None:
        self._scripts = deque(scripts)
        self.calls: list[ScriptedCall] = []

    def carries(self, worker: Worker) -> bool:
        return True

    def ask(
        self,
        worker: Worker,
        path: str,
        lines: Lines,
        body: bytes | None,
        answer: Answer,
        load: Load,
    ) -> ScriptedCall:
        call = ScriptedCall(answer, self._scripts.popleft() if self._scripts else ["fail"], body)
        self.calls.append(call)
        return call

    def probe(self, worker: Worker, answer: Answer) -> ScriptedCall:
        return ScriptedCall(answer, ["fail"], None)

    def connections(self) -> Connections:
        return Connections(0, 0, 0)

    def close(self) -> None: ...


@dataclass
class ScriptedCaller:
    """``caller.Caller``: what reached the one who asked."""

    address: str = "192.0.2.1"
    status: int = 0
    body: bytes = b""
    is_finished: bool = False
    was_cut: bool = False

    def start(self, status: int, lines: Lines, *, has_length: bool) -> None:
        assert not self.status
        self.status = status

    def write(self, data: bytes) -> None:
        assert self.status
        assert not self.is_finished
        self.body += data

    def finish(self) -> None:
        assert not self.is_finished
        self.is_finished = True

    def abort(self) -> None:
        self.was_cut = True

    def pause_body(self) -> None: ...

    def resume_body(self) -> None: ...


@dataclass
class Rows:
    """``tables.Source``: what was published."""

    rows: dict[str, bytes] = field(default_factory=dict)

    def read(self, keys: Sequence[str], then: OnTexts) -> None:
        then([b"0" if key == IS_WHOLE else self.rows.get(key) for key in keys])


@dataclass
class Told:
    """``plane.Reporter``."""

    outcomes: list[Outcome] = field(default_factory=list)

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def refused(self, outcome: Outcome, refusal: Refused) -> None: ...


class Stage:
    """One exchange. ``scripts``: what each worker that is asked does."""

    def __init__(
        self, route: Route, scripts: Sequence[Sequence[object]], budget: int, chance: random.Random
    ) -> None:
        self.loop = ScriptedLoop()  # type: ignore[abstract] # why: its clock and timers are all
        self.purse = Purse(budget, chance)
        self.workers = ScriptedWorkers(scripts)
        self.caller = ScriptedCaller()
        self.told = Told()
        self.health = Breakers(self.loop.time, Faults(self.loop.time, lambda *_, **__: None))
        self.exchange = Exchange(self._plane(route, chance), self.caller)

    def _plane(self, route: Route, chance: random.Random) -> Plane:
        workers = tuple(
            Worker(f"wrk_{number}", "http://127.0.0.1:1/v1", "small", tuple(OPERATIONS))
            for number in range(3)
        )
        published: list[tuple[str, Grant | Route | Pool]] = [
            (grant_key(digest_of(KEY.encode(), PEPPER)), GRANT),
            (route_key(route.project, route.endpoint), route),
            (pool_key(POOL), Pool(1, POOL, workers)),
        ]
        rows = Rows({key: dump(thing).encode() for key, thing in published})
        tables = Tables(rows, self.loop.time)
        tables.hear(self.loop.time() + 10**6)
        never = Picker(lambda _: 0, lambda _: True, lambda _: False, chance)
        return Plane(
            config=PlaneConfig(valkey_url="", peppers=(PEPPER,)),
            now=self.loop.time,
            clock=lambda: 1_800_000_000 + self.loop.time(),
            tables=tables,
            limiter=self.purse,
            fleet=Fleet([self.workers]),
            router=Router(never, self.health),
            wheel=Wheel(self.loop),
            slow_readings=SlowReadings(self.loop, self.loop.time),
            reporter=self.told,
        )

    def ask(self, operation: str, body: bytes, route: Route) -> None:
        target = f"/{route.project}/{route.endpoint}/v1/{operation}".encode()
        length = str(len(body)).encode()
        headers: Headers = [
            (b"authorization", b"Bearer " + KEY.encode()), (b"content-length", length)
        ]  # fmt: skip
        self.exchange.begin(Head(b"POST", target, headers))
        self.exchange.body(body)
        self.exchange.body_end()

    @property
    def call(self) -> ScriptedCall | None:
        """Return the call that goes on, if one does."""
        going = [call for call in self.workers.calls if not call.is_over]
        return going[-1] if going else None


def priced(price_per_million: int, context_length: int | None) -> Route:
    """Publish an endpoint whose token costs so much."""
    route = route_of(context_length=context_length)
    terms = replace(route.terms, price_per_million=price_per_million)
    return replace(route, project=GRANT.project, pools=(POOL,), terms=terms)
