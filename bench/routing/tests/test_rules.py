"""What is guarded: others' rules choose as their formulas do, by cases small enough to compute."""

from __future__ import annotations

from random import Random

import pytest

from bench.routing.index import PrefixIndex
from bench.routing.oracle import Oracle
from bench.routing.prefix_rules import (
    CacheAware2025,
    Dynamo,
    LlmD,
    LMetric,
    LoadAware,
    SeesPrefixes,
    Smg2026,
)
from bench.routing.requests import Asked, Target
from bench.routing.rule import Ended, Metrics, Setting
from bench.routing.scenarios import FAST, SLOW
from bench.routing.worker import Machine, Worker
from xim.sim.batch import Request

NUMBER = iter(range(10**9))


def setting(*machines: Machine) -> Setting:
    known = machines or (FAST, FAST, FAST)
    return Setting(known, Random(1), [Metrics(0, 0, 0.0)] * len(known), [*map(Worker, known)])


def asked(blocks: int, name: int = 0, target: Target | None = None) -> Asked:
    names = tuple(range(name * 1000, name * 1000 + blocks))
    prompt = blocks * 512 + 1
    return Asked(next(NUMBER), 0.0, prompt, 10, names, size=4 * prompt, target=target)


def busy(rule: SeesPrefixes, worker: int, count: int, blocks: int = 1) -> list[Asked]:
    found = [asked(blocks, next(NUMBER) + 500) for _ in range(count)]
    for one in found:
        rule.placed(one, worker, 0.0)
    return found


def read(rule: SeesPrefixes, worker: int, blocks: int, name: int = 0) -> None:
    """Let a worker have read a prompt, and be done with it."""
    one = asked(blocks, name)
    rule.placed(one, worker, 0.0)
    rule.first_token(one, worker, 0.0)
    rule.ended(one, worker, 0.0, Ended(one.prompt, one.output, None))


ALL = (0, 1, 2)


def test_an_index_knows_who_was_sent_what_and_forgets_what_is_old() -> None:
    index = PrefixIndex([4, 100])
    index.put([1, 2, 3], 0)
    index.put([1, 2, 3, 4], 1)
    assert index.match([1, 2, 3, 4, 5]) == [3, 4]
    assert index.match([2, 3]) == [2, 2]
    index.put([7, 8], 0)
    assert index.match([1, 2, 3, 4]) == [0, 4]
    assert (index.size(0), index.size(1)) == (4, 4)


def test_cache_aware_of_2025_goes_to_the_match_until_loads_are_far_apart() -> None:
    rule = CacheAware2025(setting(), threshold=0.5, far=2, times=1.1)
    read(rule, 1, 10)
    busy(rule, 1, 2)
    assert rule.choose(asked(10), ALL, 0.0) == 1
    busy(rule, 1, 1)
    assert rule.choose(asked(10), ALL, 0.0) == 0


def test_cache_aware_of_2025_goes_where_least_is_kept_when_nothing_matches() -> None:
    rule = CacheAware2025(setting(), threshold=0.5, far=32, times=1.1)
    read(rule, 0, 10)
    read(rule, 2, 3, 5)
    assert rule.choose(asked(10, 7), ALL, 0.0) == 1


def test_smg_takes_the_least_busy_of_those_that_hold_the_deepest_match() -> None:
    rule = Smg2026(setting())
    for worker in (0, 2):
        read(rule, worker, 10)
    busy(rule, 0, 1)
    assert rule.choose(asked(10), ALL, 0.0) == 2
    assert rule.choose(asked(40), ALL, 0.0) == 1  # A quarter is no match.
    busy(rule, 2, 200)
    assert rule.choose(asked(10), ALL, 0.0) == 0  # More than the mean and 64.


def test_llm_d_weighs_prefix_queue_and_memory_by_what_engines_said() -> None:
    rule = LlmD(setting())
    read(rule, 1, 10)
    assert rule.choose(asked(10), ALL, 0.0) == 1
    # 3 × 1.0 + 2 × 0 + 2 × 0.5 against 3 × 0 + 2 × 1 + 2 × 1, and against as much less memory.
    rule.setting.metrics[:] = [Metrics(0, 1, 0.4), Metrics(9, 9, 0.4), Metrics(0, 0, 0.9)]
    assert rule.choose(asked(10), ALL, 0.0) == 1
    rule.setting.metrics[1] = Metrics(9, 9, 0.95)
    assert rule.choose(asked(10), ALL, 0.0) == 0


def test_production_stack_sets_load_against_match() -> None:
    rule = LoadAware(setting())
    read(rule, 1, 10)
    busy(rule, 1, 1)
    assert rule.choose(asked(10), ALL, 0.0) == 1  # 1.0 − 0.5 against 0
    assert rule.choose(asked(40), (0, 1), 0.0) == 0  # 0.25 − 0.5 against 0


def test_dynamo_adds_what_is_unread_and_what_is_held() -> None:
    rule = Dynamo(setting())
    reading = busy(rule, 0, 1, blocks=4)
    busy(rule, 1, 1, blocks=7)
    busy(rule, 2, 1, blocks=9)
    assert rule.choose(asked(1, 77), ALL, 0.0) == 0  # 8 against 14 and 18
    for one in reading:
        rule.first_token(one, 0, 0.0)
    busy(rule, 0, 1, blocks=6)
    assert rule.choose(asked(1, 77), ALL, 0.0) == 1  # 6 and 10 against 14 and 18


def test_lmetric_multiplies_what_is_unread_by_how_many_are_there() -> None:
    rule = LMetric(setting())
    for one in busy(rule, 0, 4):
        rule.first_token(one, 0, 0.0)
    busy(rule, 1, 1, blocks=10)
    read(rule, 2, 1)
    busy(rule, 2, 1, blocks=30)
    # 8 × 5 against 18 × 2 and 38 × 2, in blocks.
    assert rule.choose(asked(8, 99), ALL, 0.0) == 1
    # 2 × 5 against 12 × 2.
    assert rule.choose(asked(2, 99), ALL, 0.0) == 0


def test_the_oracle_sees_speeds_queues_and_caches_as_they_are() -> None:
    known = setting(FAST, SLOW, FAST)
    rule = Oracle(known)
    assert rule.choose(asked(20), (0, 1), 0.0) == 0
    known.truth[0].arrive(Request((), 100_000, 10), 0.0)
    assert rule.choose(asked(20), (0, 1), 0.0) == 1
    known.truth[2].arrive(Request((), 100_000, 10), 0.0)
    blocks = tuple(range(20))
    known.truth[2].batch.cache.share(blocks)
    assert rule.choose(asked(20), (0, 2), 0.0) == 2


@pytest.mark.parametrize("rule", [Dynamo, LMetric, Smg2026, Oracle])
def test_what_has_ended_or_failed_weighs_nothing(rule: type[SeesPrefixes]) -> None:
    made = rule(setting())
    target = Target(1.0, 0.1)
    ended, failed = asked(3, target=target), asked(4)
    for one in (ended, failed):
        made.placed(one, 1, 0.0)
    made.first_token(ended, 1, 0.0)
    made.ended(ended, 1, 1.0, Ended(ended.prompt, ended.output, 0))
    made.failed(failed, 1, 1.0)

    assert made.in_flight == [0, 0, 0]
    for name in ("unread", "active", "weight"):
        assert not any(getattr(made, name, ()))
