"""Decide: the cheapest is preferred, by law; what is no candidate is not, and says why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from random import Random

import pytest

from inference.contracts import decide as rules
from inference.contracts.decide import decide, mix
from inference.contracts.policies import BALANCED, BOUNDS, POLICIES, BadPolicy, Policy
from inference.contracts.snapshot import (
    DOUBTED,
    FIELDS,
    FULL,
    HALF_OPEN,
    OUT,
    TRIED,
    Candidate,
    Wish,
    candidate_of,
)

SECOND = 1_000_000


def candidate(place: int, state: int = 0, **known: int) -> Candidate:
    """Return a worker of 50 ms and 150 µs a token, with a prompt of 1,000 tokens to read."""
    made = Candidate(place, state)
    made.base_us, made.speed_ns, made.new_tokens = 50_000, 150_000, 1_000
    for name, value in known.items():
        setattr(made, name, value)
    return made


PLAIN = Wish(1_000, 1024)


def drawn(
    candidates: list[Candidate], wish: Wish = PLAIN, policy: Policy = BALANCED
) -> Counter[int]:
    """Count who is chosen over two thousand draws."""
    draws = (mix(number) for number in range(2_000))
    return Counter(decide(candidates, wish, policy, draw).chosen for draw in draws)


def test_cost_is_what_the_formula_of_the_document_says() -> None:
    one = candidate(0, backlog=2_000, importance=2_048, factor=2_048, extras_us=7)
    terms = decide([one], PLAIN, BALANCED, 0).terms[0]
    assert (terms.base_us, terms.backlog_us, terms.own_us) == (100_000, 600_000, 300_000)
    assert terms.ttft_us == SECOND
    assert terms.others_us == 300_000  # own × 2 there × κ of a half
    assert terms.cost == SECOND + 300_000 + 7


def test_shares_follow_the_sixteenth_power_of_the_cost() -> None:
    near = candidate(0)
    far = candidate(1, base_us=60_000)
    counted = drawn([near, far])
    expected = (200_000 / 210_000) ** 16
    share = counted[1] / counted[0]
    assert share == pytest.approx(expected, rel=0.15)


def test_chi_squared_of_the_sampling_law_holds() -> None:
    among = [candidate(n, base_us=50_000 + 4_000 * n) for n in range(6)]
    decided = decide(among, PLAIN, BALANCED, 0)
    counted = Counter(
        decide(among, PLAIN, BALANCED, mix(7 + number)).chosen for number in range(20_000)
    )
    shares = [terms.odds / decided.total for terms in decided.terms]
    chi = sum((counted[n] - 20_000 * p) ** 2 / (20_000 * p) for n, p in enumerate(shares))
    assert chi < 20.5  # 5 degrees of freedom, one in a thousand


@pytest.mark.parametrize(
    ("state", "reason"),
    [(TRIED, "tried"), (OUT, "out"), (DOUBTED, "doubted"), (FULL, "full")],
)
def test_who_may_not_be_asked_is_passed_over_and_says_why(state: int, reason: str) -> None:
    sound, other = candidate(0, backlog=90_000), candidate(1, state)
    decided = decide([sound, other], PLAIN, BALANCED, 5)
    assert decided.chosen == 0
    assert rules.REASONS[decided.terms[1].reason] == reason


@pytest.mark.parametrize(("state", "other"), [(FULL, DOUBTED), (DOUBTED, OUT), (DOUBTED, TRIED)])
def test_less_sound_ones_are_asked_where_nobody_is_left(state: int, other: int) -> None:
    assert decide([candidate(0, state), candidate(1, other)], PLAIN, BALANCED, 9).chosen == 0


@pytest.mark.parametrize("state", [TRIED, OUT])
def test_nobody_is_chosen_where_nobody_is_there(state: int) -> None:
    assert decide([candidate(0, state)], PLAIN, BALANCED, 3).chosen == -1
    assert decide([], PLAIN, BALANCED, 3).chosen == -1


def test_a_worker_on_trial_gets_small_requests_without_a_target_only() -> None:
    among = [candidate(0, backlog=9_000), candidate(1, HALF_OPEN)]
    assert decide(among, PLAIN, BALANCED, 1).chosen == 1
    assert decide(among, Wish(1_000, 1024, ttft_us=SECOND), BALANCED, 1).chosen == 0
    among[1].new_tokens = 3_001
    assert decide(among, PLAIN, BALANCED, 1).chosen == 0


def test_who_misses_the_target_is_left_out_while_another_meets_it() -> None:
    # The first costs less in all, because it delays nobody; only the second is in time.
    slow = candidate(0, base_us=400_000)
    quick = candidate(1, importance=3_000)
    wish = Wish(1_000, 1024, ttft_us=300_000)
    decided = decide([slow, quick], wish, BALANCED, 0)
    assert decided.chosen == 1
    assert rules.REASONS[decided.terms[0].reason] == "misses_target"
    assert decided.is_reachable


def test_keeping_a_target_is_worth_twice_the_least_cost_and_no_more() -> None:
    slow = candidate(0, base_us=400_000)
    dear = candidate(1, importance=30_000)
    wish = Wish(1_000, 1024, ttft_us=300_000)
    assert decide([slow, dear], wish, BALANCED, 0).chosen == 0


def test_a_target_nobody_can_keep_is_said_and_served_at_least_cost() -> None:
    among = [candidate(0), candidate(1, backlog=50_000)]
    decided = decide(among, Wish(1_000, 1024, ttft_us=1_000), BALANCED, 4)
    assert decided.chosen == 0
    assert not decided.is_reachable


def test_the_time_between_tokens_is_a_target_too() -> None:
    slow, quick = candidate(0, tpot_us=90_000), candidate(1, tpot_us=20_000, base_us=60_000)
    assert drawn([slow, quick], Wish(1_000, 1024, tpot_us=50_000)) == {1: 2_000}


def test_delay_weighs_more_the_more_it_hits() -> None:
    empty, important = candidate(0, base_us=120_000), candidate(1, importance=2_048)
    assert decide([empty, important], PLAIN, BALANCED, 0).terms[1].others_us == 150_000
    assert drawn([empty, important])[0] > 1_200


def test_trials_by_chance_are_off_unless_a_policy_asks_for_them() -> None:
    among = [candidate(0), candidate(1, backlog=500_000)]
    assert drawn(among)[1] == 0
    curious = Policy("curious", epsilon=10)
    assert 1 <= drawn(among, policy=curious)[1] <= 40
    assert drawn(among, Wish(1_000, 1024, ttft_us=SECOND), curious)[1] == 0
    assert drawn(among, Wish(3_001, 1024), curious)[1] == 0


def test_no_number_is_too_large_for_the_arithmetic() -> None:
    huge = candidate(0)
    for name in FIELDS[2:]:
        setattr(huge, name, (1 << 62) - 1)
    terms = decide([huge], Wish(1 << 40, 1 << 40), POLICIES["locality"], 1).terms[0]
    assert 0 < terms.cost <= 1 << 40


def test_a_candidate_comes_back_from_its_numbers_as_it_was() -> None:
    dice = Random(3)
    numbers = tuple(dice.randrange(1 << 30) for _ in FIELDS)
    assert candidate_of(numbers).numbers() == numbers
    with pytest.raises(ValueError, match="numbers"):
        candidate_of(numbers[1:])


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_a_policy_out_of_its_bounds_is_refused_by_name(name: str) -> None:
    least, most = BOUNDS[name]
    for value in (least - 1, most + 1):
        with pytest.raises(BadPolicy, match=name):
            Policy("own", **{name: value})


def test_policies_are_named_by_what_they_say() -> None:
    digests = {policy.digest() for policy in POLICIES.values()}
    assert len(digests) == len(POLICIES)
    assert Policy("balanced").digest() == BALANCED.digest()
    assert Policy("balanced", kappa=513).digest() != BALANCED.digest()


DECISIONS = """
import json
from random import Random
from inference.contracts.decide import decide, mix
from inference.contracts.policies import POLICIES
from inference.contracts.snapshot import Wish, candidate_of
dice = Random(11)
said = []
for number in range(300):
    among = [
        candidate_of((n, dice.choice((0, 0, 0, 4, 8)), *(dice.randrange(1, 90_000) for _ in range(11))))
        for n in range(dice.randrange(1, 12))
    ]
    wish = Wish(dice.randrange(1, 9_000), 1024, ttft_us=dice.choice((0, 400_000)))
    policy = dice.choice(sorted(POLICIES.values(), key=lambda p: p.name))
    decided = decide(among, wish, policy, mix(number))
    said.append([decided.chosen, [[t.cost, t.odds, t.reason, t.verdict] for t in decided.terms]])
print(json.dumps(said))
"""  # noqa: E501 - a program of its own


def test_the_same_snapshot_comes_out_the_same_in_every_process() -> None:
    said = {
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", DECISIONS],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(said) == 1
    assert len({chosen for chosen, _ in json.loads(said.pop())}) > 5
