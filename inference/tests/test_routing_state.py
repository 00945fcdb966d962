"""The router's state: what is sent counts at once, what comes back teaches, and nothing is left."""

from __future__ import annotations

import pytest

from inference.contracts.policies import BALANCED
from inference.contracts.snapshot import SHARED, UNPROVEN, Candidate
from inference.routing.demand import Demand
from inference.routing.state import WORKERS_MAX, State
from inference.tests.simulated_fleet import MICRO, Scene, worker_of

ASKED = Demand("p1", "m", 4_000, list(range(1, 9)))
A, B = worker_of("a"), worker_of("b")


def look(state: State, demand: Demand = ASKED, now_us: int = MICRO) -> list[Candidate]:
    """Return both workers as candidates."""
    among = [Candidate(0, 0), Candidate(1, 0)]
    state.describe(now_us, demand, state.wish(demand, BALANCED), [A, B], among)
    return among


def test_a_request_counts_from_its_sending_to_its_end() -> None:
    state = State()
    placed = state.place(MICRO, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
    sent = look(state)[0]
    assert (sent.in_flight, sent.backlog, sent.importance) == (1, 1_000, 256)
    state.answered(2 * MICRO, placed)
    assert (look(state)[0].in_flight, look(state)[0].backlog) == (1, 0)
    state.ended(3 * MICRO, placed, 10)
    assert look(state)[0].in_flight == 0
    assert look(state)[0].importance == 0


@pytest.mark.parametrize("how", ["failed", "taken back", "ended", "answered and failed"])
def test_however_it_ends_nothing_of_it_is_left(how: str) -> None:
    state = State()
    demand = Demand("p1", "m", 4_000)
    demand.ttft_us = MICRO
    placed = state.place(0, demand, state.wish(demand, BALANCED), A, look(state, demand)[0])
    if how.startswith("answered"):
        state.answered(10, placed)
    if how.endswith("failed"):
        state.failed(20, placed)
    elif how == "ended":
        state.ended(20, placed)
    else:
        state.taken_back(placed)
    left = look(state, demand)[0]
    assert (left.in_flight, left.backlog, left.importance) == (0, 0, 0)
    assert not state.targets.count


def test_a_prompt_that_was_sent_is_expected_there_at_once() -> None:
    state = State()
    state.place(0, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
    again, other = look(state)
    assert again.hit_tokens == 1_000
    assert again.new_tokens == 16
    assert (other.hit_tokens, other.new_tokens) == (0, 1_000)


def test_an_engine_that_reports_no_hits_is_expected_to_have_none() -> None:
    state = State()
    for _ in range(120):
        placed = state.place(0, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
        state.counted(placed, 1_000, 0)
        state.ended(1, placed)
    assert look(state)[0].hit_tokens < 100


def test_an_engine_that_keeps_less_is_expected_to_keep_less() -> None:
    """Each prompt comes twice, with three MiB of others between; of those nothing is cached."""
    state = State()
    size = 1 << 20
    for number in range(120):
        first = (number // 8 * 4 + number % 4) << 8
        demand = Demand("p1", "m", size, range(first, first + 104))
        candidates = look(state, demand)
        placed = state.place(0, demand, state.wish(demand, BALANCED), A, candidates[0])
        state.counted(placed, size // 4, 0)
        state.ended(1, placed)
    assert state.memories._index("m").capacity(A.worker_id) < 3.5 * size


def test_how_many_tokens_a_byte_is_comes_from_what_engines_count() -> None:
    state = State()
    for _ in range(60):
        placed = state.place(0, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
        state.counted(placed, 1_600, None)
        state.ended(1, placed)
    assert state.wish(ASKED, BALANCED).tokens == pytest.approx(1_600, rel=0.02)
    assert state.wish(Demand("p2", "m", 4_000), BALANCED).tokens == 1_000


def test_what_was_cut_off_teaches_nothing() -> None:
    state = State()
    for _ in range(30):
        placed = state.place(0, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
        state.answered(9 * MICRO, placed, teaches=False)
        state.ended(9 * MICRO, placed)
    assert look(state)[0].factor == 1024
    assert look(state)[0].state & UNPROVEN


def test_errors_are_dearer_the_more_time_they_cost() -> None:
    state = State()
    for _ in range(40):
        placed = state.place(0, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
        state.failed(2 * MICRO, placed)
    assert look(state)[0].extras_us == pytest.approx(2 * MICRO, rel=0.1)
    assert look(state)[1].extras_us < MICRO / 100


def test_a_machine_of_the_platform_is_dearer_by_a_price_in_time() -> None:
    state = State()
    among = look(state)
    among[1].state |= SHARED
    state.price(among, BALANCED)
    assert [candidate.extras_us for candidate in among] == [0, 500_000]


def test_who_claims_targets_for_everything_is_believed_no_more_than_others() -> None:
    state = State()
    greedy, modest = Demand("p1", "m", 400), Demand("p2", "m", 400)
    greedy.ttft_us = modest.ttft_us = MICRO
    for demand in [modest] + [greedy] * 12:
        wish = state.wish(demand, BALANCED)
        state.place(0, demand, wish, A, look(state, demand)[0])
    assert state.wish(greedy, BALANCED).weight == 256
    assert state.wish(modest, BALANCED).weight == 1024


def test_a_tier_of_higher_priority_counts_more() -> None:
    state = State()
    weights = [state.wish(Demand("p1", "m", 400, (), p), BALANCED).weight for p in (10, 20, 40)]
    assert weights == [128, 256, 512]


def test_workers_beyond_the_bound_are_forgotten_unless_they_work() -> None:
    state = State()
    placed = state.place(0, ASKED, state.wish(ASKED, BALANCED), A, look(state)[0])
    for number in range(WORKERS_MAX + 300):
        demand = Demand("p1", "m", 100)
        wish, other = state.wish(demand, BALANCED), worker_of(f"w{number}")
        state.describe(0, demand, wish, [other], [Candidate(0, 0)])
    assert look(state)[0].in_flight == 1
    assert len(state._workers) <= WORKERS_MAX
    state.ended(1, placed)


def test_what_others_have_there_counts_though_nobody_told_us_what_it_is() -> None:
    state, busy = State(), [Candidate(0, 0), Candidate(1, 0)]
    busy[1].in_flight = 3
    state.describe(0, ASKED, state.wish(ASKED, BALANCED), [A, B], busy)
    assert [(c.in_flight, c.importance) for c in busy] == [(0, 0), (3, 3 * 256)]


# ── What follows from it ───────────────────────────────────────────────────────────────


def test_equal_workers_get_equal_shares() -> None:
    chosen = Scene().run(1_600)
    assert min(chosen.values()) > 120
    assert max(chosen.values()) < 280


@pytest.mark.parametrize("how", ["ten times slower", "hangs"])
def test_a_worker_that_turns_bad_loses_nine_tenths_of_its_share_within_twenty(how: str) -> None:
    scene = Scene()
    scene.run(400)
    bad = scene.machines["w3"]
    bad.slower, bad.hangs = (10.0, False) if how.startswith("ten") else (1.0, True)
    sent = scene.run(20 * 8)["w3"]
    later = scene.run(400)["w3"]
    assert sent <= 20
    assert later / 400 <= 0.1 / 8 * 2


@pytest.mark.parametrize(("how", "within_s"), [("ten times slower", 60), ("hangs", 120)])
def test_a_worker_that_has_healed_has_its_share_back(how: str, within_s: int) -> None:
    scene = Scene()
    scene.run(400)
    bad = scene.machines["w3"]
    bad.slower, bad.hangs = (10.0, False) if how.startswith("ten") else (1.0, True)
    scene.run(400)
    bad.slower, bad.hangs = 1.0, False
    bad.free_s = scene.now_s
    scene.run(int(within_s / 0.05))
    share = scene.run(400)["w3"] / 400
    assert share > 0.6 / 8


def test_whoever_answered_first_does_not_keep_others_from_being_asked() -> None:
    scene = Scene(2)
    for machine in scene.machines.values():
        machine.speed_s = 1e-7
    scene.workers.reverse()
    chosen = scene.run(400, every_s=1.0, tokens=16)
    assert min(chosen[name] for name in scene.machines) > 40


def test_slower_machines_get_less_as_soon_as_they_have_answered() -> None:
    scene = Scene()
    for number in range(4):
        scene.machines[f"w{number}"].speed_s *= 2.5
    scene.run(400, every_s=0.03)
    chosen = scene.run(1_000, every_s=0.03)
    slow = sum(chosen[f"w{number}"] for number in range(4))
    assert 0.1 < slow / 1_000 < 0.38


def test_a_prompt_stays_where_it_was_read_until_that_is_dearer() -> None:
    scene = Scene()
    hot = Demand("p1", "m", 80_000, list(range(1, 33)))
    first = scene.send(hot)
    scene.run(20, every_s=0.5, tokens=16)
    assert scene.send(hot) == first
    burst = [scene.send(hot) for _ in range(10)]
    assert 1 < len(set(burst)) < 8
