"""What is guarded: every request ends once, whatever the rule and whatever befalls the machines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from math import inf
from pathlib import Path
from random import Random

import pytest

from bench.routing.requests import Asked, Closed, Load, Open, Turn
from bench.routing.rule import Ended, Rule, Setting
from bench.routing.rules import RULES
from bench.routing.scenarios import FAST, SLOW
from bench.routing.simulate import TRIES, Fleet, Flight, Run
from bench.routing.worker import Machine, Trouble

ROOT = Path(__file__).parents[3]
TROUBLES = (
    Trouble(0, 5.0, 20.0, inf),
    Trouble(1, 2.0, 30.0, errors=0.5),
    Trouble(2, 3.0, 9.0, 4.0),
)


def requests(count: int, seed: int = 1) -> list[Asked]:
    """Return requests of half a minute, some of which share a beginning."""
    dice = Random(seed)
    found = []
    for number in range(count):
        name, blocks = dice.randrange(8), dice.randrange(12)
        prompt = blocks * 512 + dice.randrange(1, 512)
        names = tuple(range(name * 100, name * 100 + blocks))
        at = dice.random() * 30
        found.append(Asked(number, at, prompt, dice.randrange(1, 200), names, name, 4 * prompt))
    return found


def sessions(count: int) -> list[tuple[Turn, ...]]:
    """Return sessions of three turns, each longer than the one before."""
    return [
        tuple(
            [
                Turn(1.0, 600 * turn, 20, tuple(range(9 * name, 9 * name + turn)))
                for turn in (1, 2, 3)
            ]
        )
        for name in range(count)
    ]


def run(
    rule: str, load: Load, *, gateways: int = 1, troubles: tuple[Trouble, ...] = ()
) -> list[Flight]:
    late = Machine(FAST.speed, since=10.0)
    fleet = Fleet((FAST, FAST, SLOW, late), troubles, gateways, says_cached=gateways == 1)
    return Run(fleet, load, RULES[rule], 7).whole()


@pytest.mark.parametrize("gateways", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_every_request_ends_once_and_after_it_began(rule: str, gateways: int) -> None:
    flights = run(rule, Open(requests(150)), gateways=gateways, troubles=TROUBLES)

    assert sorted(one.asked.number for one in flights) == list(range(150))
    for one in flights:
        assert 1 <= one.tries <= TRIES
        assert one.refused or one.asked.at <= one.sent < one.first <= one.ended


@pytest.mark.parametrize("rule", RULES)
def test_a_session_asks_when_its_last_answer_is_there_and_stops_at_the_end(rule: str) -> None:
    load = Closed(sessions(6), [0.0, 0.5], until=60.0)
    flights = run(rule, Sized(load))

    assert Counter(one.asked.project for one in flights) == {0: 18}
    begun = sorted((one.asked.at, one.ended) for one in flights)
    for at, _ in begun:
        assert sum(other < at < ended for other, ended in begun) <= 2


def test_a_load_of_sessions_ends_when_its_time_is_over() -> None:
    flights = run("random", Sized(Closed(sessions(500), [0.0] * 4, until=20.0)))

    assert max(one.asked.at for one in flights) < 20.0 <= max(one.ended for one in flights) + 3


def test_a_machine_that_joins_later_gets_nothing_before() -> None:
    flights = run("round robin", Open(requests(150)))

    late = [one.sent for one in flights if one.worker == 3]
    assert late
    assert min(late) >= 10.0


def test_whoever_is_refused_is_asked_for_elsewhere_and_refused_for_good_at_last() -> None:
    failing = tuple([Trouble(number, 0.0, 1000.0, errors=1.0) for number in range(3)])
    flights = run("least in flight", Open(requests(60)), troubles=failing)

    early = [one for one in flights if one.asked.at < 9.0]
    assert early
    assert all(one.refused and one.tries == TRIES for one in early)


class Hoards(Rule):
    """Holds everything until two wait, and then lets the first go and refuses the other."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.waiting: list[Asked] = []

    def choose(self, asked: Asked, there: object, now: float) -> None:
        self.waiting.append(asked)
        self.held += 1

    def released(self, there: object, now: float) -> list[tuple[Asked, int | None]]:
        if self.held < 2:
            return []
        (first, second), self.waiting = self.waiting[:2], self.waiting[2:]
        self.held -= 2
        return [(first, 0), (second, None)]


def test_what_a_rule_holds_goes_when_the_rule_says_so() -> None:
    flights = Run(Fleet((FAST,)), Open(requests(40)), Hoards, 1).whole()

    assert Counter(one.refused for one in flights) == {False: 20, True: 20}
    assert all(one.sent >= one.asked.at for one in flights if not one.refused)


class Gossips(Rule):
    """Tells what it has in flight, and believes what it hears."""

    sight_every = 0.05
    heard: list[tuple[int, int, float]]

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.heard = []

    def choose(self, asked: Asked, there: object, now: float) -> int:
        return 0

    def tell(self, now: float) -> int:
        return self.in_flight[0]

    def hear(self, sender: int, said: object, now: float) -> None:
        assert isinstance(said, int)
        self.heard.append((sender, said, now))

    def ended(self, asked: Asked, worker: int, now: float, known: Ended) -> None:
        super().ended(asked, worker, now, known)
        assert known.cached is None


def test_gateways_hear_of_each_other_and_never_of_themselves() -> None:
    run_of = Run(Fleet((FAST,), gateways=2, says_cached=False), Open(requests(80)), Gossips, 1)
    run_of.whole()

    for number, rule in enumerate(run_of.rules):
        assert isinstance(rule, Gossips)
        assert {sender for sender, _, _ in rule.heard} == {1 - number}
        assert max(said for _, said, _ in rule.heard) > 0


WHOLE = """
import sys; sys.path[:0] = [{root!r}, {root!r} + "/xim/src"]
from bench.routing.tests.test_run import *
for rule in RULES:
    flights = run(rule, Open(requests(120)), gateways=2, troubles=TROUBLES)
    print(rule, [(one.worker, one.first, one.ended, one.cached) for one in flights])
"""


@pytest.mark.slow
def test_a_run_is_the_same_whatever_the_hash_seed() -> None:
    """Two programs are started, each of which runs every rule."""
    said = [
        subprocess.run(
            [sys.executable, "-c", WHOLE.format(root=str(ROOT))],
            env={"PATH": os.defpath, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert said[0] == said[1]
    assert said[0].count("\n") == len(RULES)


class Sized:
    """A load whose requests have their texts' sizes."""

    def __init__(self, load: Load) -> None:
        self.load = load

    def first(self) -> list[Asked]:
        return [sized(one) for one in self.load.first()]

    def after(self, asked: Asked, now: float) -> Asked | None:
        following = self.load.after(asked, now)
        return sized(following) if following is not None else None


def sized(asked: Asked) -> Asked:
    asked.size = 4 * asked.prompt
    return asked
