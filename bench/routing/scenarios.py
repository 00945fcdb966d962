"""The scenarios: which machines, what is asked of them, by what it is judged, what happens.

A *case* is one of them with its parameters; with a seed it makes a fleet and a load, the same
ones for every rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from random import Random

from bench.routing import draws, loading
from bench.routing.requests import TEXT_BYTES, Asked, Closed, Load, Open, Target, Turn
from bench.routing.simulate import Fleet
from bench.routing.worker import Machine, Trouble
from xim.sim.batch import SPEEDS

FAST = Machine(SPEEDS["fast"], "fast")
SLOW = Machine(SPEEDS["slow"], "slow")
EQUAL = (FAST,) * 8
MIXED = (FAST,) * 4 + (SLOW,) * 4

Requests = Callable[[Random], list[Asked]]
Goal = Callable[[Asked], Target]


@dataclass(frozen=True, slots=True)
class Case:
    """What is run for each rule and seed.

    ``goal``: by what requests are judged; ``share``: of requests that have one; ``says_target``:
    whether callers name it. ``token_bytes``: bytes that a token of the prompts really is.
    """

    name: str
    scenario: int
    machines: tuple[Machine, ...]
    load: Callable[[Random], Load]
    goal: Goal
    share: float = 1.0
    says_target: bool = False
    judged: Callable[[Asked], bool] = lambda _: True
    troubles: tuple[Trouble, ...] = ()
    gateways: int = 1
    slots: int | None = None
    says_cached: bool = True
    index_factor: float = 1.0
    token_bytes: float = TEXT_BYTES

    def fleet(self) -> Fleet:
        """Return its machines, and what befalls them."""
        return Fleet(
            self.machines,
            self.troubles,
            self.gateways,
            self.slots,
            self.says_cached,
            self.index_factor,
        )

    def asked(self, seed: int) -> Load:
        """Return its requests, with sizes, goals and targets."""
        return Dressed(self.load(Random(f"{seed} load")), self, seed)


class Dressed:
    """A load whose requests have what the case says of them."""

    def __init__(self, load: Load, case: Case, seed: int) -> None:
        self._load = load
        self._case = case
        self._seed = seed

    def first(self) -> Iterator[Asked]:
        """Return what is asked first."""
        return map(self._dress, self._load.first())

    def after(self, asked: Asked, now: float) -> Asked | None:
        """Return what follows."""
        following = self._load.after(asked, now)
        return self._dress(following) if following is not None else None

    def _dress(self, asked: Asked) -> Asked:
        case = self._case
        asked.size = max(1, round(asked.prompt * case.token_bytes))
        chance = 1.0 if case.share >= 1 else Random(f"{self._seed} {asked.number}").random()
        if (case.share >= 1 or chance < case.share) and case.judged(asked):
            asked.goal = case.goal(asked)
            asked.target = asked.goal if case.says_target else None
        return asked


def usual(asked: Asked) -> Target:
    """Two seconds, and one for 8,000 tokens of prompt; 50 ms a token."""
    return Target(2 + asked.prompt / 8000, 0.05)


def tight(asked: Asked) -> Target:
    """One second, and one for 9,000 tokens; 40 ms a token."""
    return Target(1 + asked.prompt / 9000, 0.04)


def agentic(asked: Asked) -> Target:
    """Two seconds, and one for 40,000 tokens of a prompt that is mostly known; 50 ms a token."""
    return Target(2 + asked.prompt / 40_000, 0.05)


def patient(asked: Asked) -> Target:
    """Three seconds, whatever is asked, and any time a token."""
    return Target(3.0, inf)


def _open(requests: Requests, factor: float) -> Callable[[Random], Load]:
    return lambda dice: Open(draws.numbered(loading.faster(requests(dice), factor)))


def conversation(factor: float) -> Callable[[Random], Load]:
    """Return Mooncake's conversation, so many times as fast."""
    return _open(lambda dice: loading.mooncake("conversation", dice), factor)


def synthetic(factor: float) -> Callable[[Random], Load]:
    """Return Mooncake's synthetic trace, so many times as fast."""
    return _open(lambda dice: loading.mooncake("synthetic", dice), factor)


def azure(name: str, factor: float) -> Callable[[Random], Load]:
    """Return a trace of Azure's; the seed moves each request by up to half a second."""

    def requests(dice: Random) -> list[Asked]:
        return [replace(one, at=one.at + dice.random() / 2) for one in loading.azure(name)]

    return _open(requests, factor)


AGENTS_LONGEST = 200_000
AGENTS_THINK_S = 60.0
AGENTS_STAGGER_S = 120.0


def agents(at_once: int, until: float) -> Callable[[Random], Load]:
    """Return sessions of coding agents, so many at once, in an order by seed."""

    def load(dice: Random) -> Load:
        sessions = list(loading.agents(AGENTS_LONGEST))
        dice.shuffle(sessions)
        starts = [dice.random() * AGENTS_STAGGER_S for _ in range(at_once)]
        return Closed(map(_hasty, sessions), starts, until)

    return load


def _hasty(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    return tuple([replace(one, think=min(one.think, AGENTS_THINK_S)) for one in turns])


FLOOD = 1000
"""The project that floods."""

FLOOD_AT, FLOOD_S = 100.0, 300.0


def noisy(rate: float) -> Callable[[Random], Load]:
    """Return the arena's clients with larger prompts, and one more that floods for 300 s."""

    def load(dice: Random) -> Load:
        honest = [
            replace(one, prompt=one.prompt * 3 + 400, at=one.at + dice.random())
            for one in loading.arena()
        ]
        loud = draws.flood(rate, FLOOD_AT, FLOOD_S, (3000, 400), FLOOD, dice)
        return Open(draws.numbered([*honest, *loud]))

    return load


def many_tenants(factor: float) -> Callable[[Random], Load]:
    """Return ten minutes of 24 h of ServeGen's reasoning tenants, from an hour by seed."""

    def load(dice: Random) -> Load:
        window = int(dice.random() * 143) * draws.WINDOW_S
        return Open(draws.drawn(loading.tenants(), window, draws.WINDOW_S, factor, dice))

    return load


def honest(asked: Asked) -> bool:
    """Say whether it is asked by somebody who does not flood, after the flood has begun."""
    return asked.project != FLOOD and asked.at >= FLOOD_AT


TROUBLE_AT, TROUBLE_UNTIL = 1200.0, 2000.0


def _trouble(slower: float = 1.0, errors: float = 0.0) -> tuple[Trouble, ...]:
    return (Trouble(3, TROUBLE_AT, TROUBLE_UNTIL, slower, errors),)


STARTS_AT = 530.0
"""Machines that are asked for after 500 s are there 30 s later."""

DOUBLE_KV = tuple(
    replace(one, speed=replace(one.speed, kv_tokens=2 * one.speed.kv_tokens)) for one in EQUAL
)


def cases() -> list[Case]:
    """Return every case with one gateway, as it is in the table."""
    return [
        Case("equal machines", 1, EQUAL, conversation(1.0), usual),
        Case("mixed machines", 1, MIXED, conversation(0.75), usual),
        Case("mixed machines, short prompts", 1, MIXED, azure("conv", 3.0), usual),
        Case("mixed targets", 2, EQUAL, conversation(1.15), tight, 0.3, says_target=True),
        Case(
            "mixed targets, mixed machines",
            2,
            MIXED,
            conversation(0.85),
            tight,
            0.3,
            says_target=True,
        ),
        Case("agents", 3, DOUBLE_KV, agents(120, 1800.0), agentic),
        Case("agents, mixed machines", 3, MIXED, agents(90, 1800.0), agentic),
        Case("one at a third", 4, EQUAL, conversation(0.9), usual, troubles=_trouble(3.0)),
        Case("one at a tenth", 4, EQUAL, conversation(0.9), usual, troubles=_trouble(10.0)),
        Case("one hangs", 4, EQUAL, conversation(0.9), usual, troubles=_trouble(inf)),
        Case(
            "one fails a fifth", 4, EQUAL, conversation(0.9), usual, troubles=_trouble(errors=0.2)
        ),
        Case("bursts", 5, EQUAL, azure("code", 2.0), usual),
        Case(
            "scale-up",
            5,
            (FAST,) * 4 + (replace(FAST, since=STARTS_AT),) * 4,
            synthetic(0.6),
            usual,
        ),
        Case(
            "noisy tenant, 6 a second", 6, (SLOW,) * 4, noisy(6.0), patient, judged=honest, slots=24
        ),
        Case(
            "noisy tenant, 12 a second",
            6,
            (SLOW,) * 4,
            noisy(12.0),
            patient,
            judged=honest,
            slots=24,
        ),
        Case("many tenants", 6, EQUAL, many_tenants(1.0), usual, slots=48),
    ]


def crossed(case: Case) -> list[Case]:
    """Return a case over several gateways, and under wrong assumptions."""
    said = [replace(case, name=f"{case.name}, targets said", says_target=True)]
    several = [replace(case, name=f"{case.name}, {n} gateways", gateways=n) for n in (2, 4, 8)]
    return [
        *several,
        *([] if case.says_target else said),
        replace(case, name=f"{case.name}, tokens of 5.7 bytes", token_bytes=TEXT_BYTES / 0.7),
        replace(case, name=f"{case.name}, tokens of 2.9 bytes", token_bytes=TEXT_BYTES / 1.4),
        replace(case, name=f"{case.name}, index × ¼", index_factor=0.25),
        replace(case, name=f"{case.name}, index × 4", index_factor=4.0),
        replace(case, name=f"{case.name}, cached not said", says_cached=False),
    ]
