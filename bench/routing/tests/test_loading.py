"""What is guarded: traces are read as their README says that they are."""

from __future__ import annotations

from math import ceil
from random import Random
from statistics import median

import pytest

from bench.routing import draws, loading
from bench.routing.requests import BLOCK_TOKENS, Asked


def p50(values: list[int]) -> int:
    return sorted(values)[ceil(len(values) / 2) - 1]


@pytest.mark.parametrize(
    ("requests", "count", "prompt", "output", "span"),
    [
        (lambda: loading.mooncake("conversation", Random(1)), 12_031, 6_909, 350, 3_537),
        (lambda: loading.mooncake("synthetic", Random(1)), 3_993, 11_587, 69, 1_022),
        (lambda: loading.azure("conv"), 19_366, 1_020, 129, 3_502),
        (lambda: loading.azure("code"), 8_819, 1_469, 13, 3_436),
        (loading.arena, 1_500, 40, 211, 600),
    ],
    ids=["conversation", "synthetic", "conv", "code", "arena"],
)
def test_a_trace_has_what_its_readme_says(
    requests: object, count: int, prompt: int, output: int, span: int
) -> None:
    assert callable(requests)
    found: list[Asked] = requests()

    assert len(found) == count
    assert p50([one.prompt for one in found]) == pytest.approx(prompt, rel=0.005)
    assert p50([one.output for one in found]) == pytest.approx(output, rel=0.02)
    assert found[-1].at - found[0].at == pytest.approx(span, abs=4)
    assert [one.at for one in found] == sorted(one.at for one in found)


@pytest.mark.parametrize(("name", "share"), [("conversation", 0.366), ("synthetic", 0.640)])
def test_as_many_blocks_were_seen_before_as_the_readme_says(name: str, share: float) -> None:
    seen: set[int] = set()
    known = whole = 0
    for one in loading.mooncake(name, Random(1)):
        known += sum(block in seen for block in one.blocks)
        whole += len(one.blocks)
        seen.update(one.blocks)

    # Only whole blocks are named here; ticks that are spread change the order a little.
    assert known / whole == pytest.approx(share, abs=0.03)


def test_ticks_are_spread_by_the_seed_alone() -> None:
    first, again, other = [loading.mooncake("synthetic", Random(seed)) for seed in (1, 1, 2)]

    assert [one.at for one in first] == [one.at for one in again]
    assert [one.at for one in first] != [one.at for one in other]
    within = [sum(start <= one.at < start + 1 for one in first) for start in range(900)]
    assert max(within) <= 20


def test_agents_reuse_nearly_all_they_said_before() -> None:
    sessions = list(loading.agents(10_000_000))
    turns = [turn for session in sessions for turn in session]
    known = whole = 0
    for session in sessions[:150]:
        seen: set[int] = set()
        for turn in session:
            known += sum(block in seen for block in turn.blocks)
            whole += len(turn.blocks)
            seen.update(turn.blocks)

    assert (len(sessions), len(turns)) == (692, 46_218)
    assert median(turn.prompt for turn in turns) == pytest.approx(100_446, rel=0.001)
    assert known / whole == pytest.approx(0.963, abs=0.03)


def test_sessions_are_cut_where_a_prompt_is_too_long_and_share_the_head_of_their_tools() -> None:
    sessions = list(loading.agents(200_000))

    assert max(turn.prompt for session in sessions for turn in session) <= 200_000
    firsts = [session[0].blocks[0] for session in sessions if session[0].blocks]
    assert len(set(firsts)) < 0.6 * len(firsts)
    for session in sessions[:50]:
        assert all(len(turn.blocks) <= turn.prompt // BLOCK_TOKENS for turn in session)


def test_tenants_ask_as_often_as_their_laws_say() -> None:
    tenants = loading.tenants()
    counts = [
        len(draws.drawn(tenants, window, 600.0, 1.0, Random(window)))
        for window in range(0, 86_400, 7_200)
    ]

    assert len(tenants) == 73
    assert min(counts) > 4.3 * 600 * 0.7
    assert median(counts) / 600 == pytest.approx(13.4, rel=0.3)


def test_a_flood_is_of_one_tenant_and_as_dense_as_asked() -> None:
    found = draws.flood(6.0, 100.0, 300.0, (3000, 400), 9, Random(3))

    assert len(found) == pytest.approx(1800, rel=0.1)
    assert {one.project for one in found} == {9}
    assert all(100 <= one.at < 400 for one in found)


def test_a_trace_that_runs_faster_asks_the_same() -> None:
    slow = loading.arena()
    fast = loading.faster(slow, 2.0)

    assert [one.at * 2 for one in fast] == [one.at for one in slow]
    assert [one.prompt for one in fast] == [one.prompt for one in slow]
