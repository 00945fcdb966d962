"""Where each rule of the function library begins and ends, to the unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from inference.tests.test_admission_functions import PAID, SECOND, uuid7_at
from inference.tests.valkey import Shard, Size, Terms, free_terms

WHO = ("proj_a", "ep_1", "key_1", "free")
NOTHING = Size(est_in=0, est_out=0)


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard()
    yield shard
    shard.forget()


@pytest.mark.parametrize(("terms", "size", "easy"), [
    pytest.param(Terms(concurrent=10), NOTHING, 5, id="concurrency"),
    pytest.param(Terms(quota=10, quota_s=60), NOTHING, 5, id="quota"),
    pytest.param(free_terms(), NOTHING, 16, id="requests"),
    pytest.param(free_terms(), Size(est_in=250, est_out=250), 5, id="tokens"),
    pytest.param(Terms(allowance=3200), Size(hold_tokens=50), 16, id="allowance"),
    pytest.param(Terms(), PAID, 4, id="balance"),
])  # fmt: skip
def test_admission_is_easy_until_half_of_a_limit_is_used_or_money_is_left_for_few(
    shard: Shard, terms: Terms, size: Size, easy: int
) -> None:
    shard.call("grant", "proj_a", 2000, 1)

    said = [shard.is_easy(f"req_{number}", terms, size) for number in range(easy + 3)]

    assert said == [True] * easy + [False] * 3


def test_what_is_not_let_in_now_is_never_easy(shard: Shard) -> None:
    one = Terms(concurrent=1)
    shard.admit("req_1", one)

    assert [shard.admit(f"req_{number}", one)[7] for number in (1, 2)] == [0, 0]


def test_what_costs_nothing_is_not_told_the_balance(shard: Shard) -> None:
    shard.call("grant", "proj_a", 2000, 1)

    assert shard.admit("req_1", Terms())[6] == 0
    assert shard.admit("req_2", Terms(), PAID)[6] == 1900


def test_asking_again_does_not_keep_a_lease_alive(shard: Shard) -> None:
    shard.admit("req_1", Terms())
    shard.now += 14 * SECOND
    shard.admit("req_1", Terms())
    shard.now += SECOND

    assert shard.reap() == 1


def test_ended_request_that_is_said_to_run_takes_nobodys_place(shard: Shard) -> None:
    one = Terms(concurrent=1)
    shard.admit("req_1", one)
    shard.settle("req_1", one, 1, 0)

    assert shard.admit("req_1", one, forced=True)[0] == b"ended"
    assert shard.word("req_2", one) == "admitted"


def test_settlement_that_is_told_again_names_the_same_place(shard: Shard) -> None:
    shard.admit("req_1", Terms())

    first, second = (
        shard.call("settle", "req_1", *WHO, 1, 0, "{}", shard.now) for _ in range(2)
    )  # fmt: skip

    assert (first[0], second[0]) == (b"settled", b"again")
    assert first[1] == second[1] != b""


def test_tokens_of_an_end_are_counted_against_those_that_were_taken(shard: Shard) -> None:
    terms = free_terms()
    shard.admit("req_1", terms, Size(est_in=1_000, est_out=3_000))

    shard.settle("req_1", terms, 100, 0)

    assert shard.admit("req_2", terms, NOTHING)[3] == 4_900


def test_amended_estimate_leaves_the_tokens_that_were_used(shard: Shard) -> None:
    terms = free_terms(allowance=9_000)
    shard.admit("req_1", terms, Size(est_in=1_000, est_out=3_000, hold_tokens=4_000))
    shard.now += 15 * SECOND
    assert shard.reap() == 1
    assert shard.account("p:proj_a")["a:202611:free"] == 4_000

    assert shard.settle("req_1", terms, 4_100, 0) == "amended"

    account = shard.account("p:proj_a")
    assert (account["a:202611:free"], account["ah:free"]) == (4_100, 0)
    # 2,500 came back while it ran.
    assert shard.admit("req_2", terms, NOTHING)[3] == 5_000 - 4_100 + 2_500


def test_estimate_that_is_told_again_uses_its_tokens(shard: Shard) -> None:
    lost = uuid7_at(shard.now)

    shard.call("estimate", lost, *WHO, 10, 90, 100, "{}", shard.now)

    assert shard.account("p:proj_a")["a:202611:free"] == 100


def test_of_many_ends_told_at_once_those_that_are_too_old_are_late(shard: Shard) -> None:
    bound = shard.now - 48 * 3600 * SECOND
    ends = [(uuid7_at(bound + after), 10, 30) for after in (-1000, 0, -SECOND)]

    assert shard.settle_all(Terms(), ends) == ["late", "recovered", "late"]


def test_undone_requests_of_a_window_that_is_over_leave_the_new_one_alone(shard: Shard) -> None:
    terms = Terms(quota=9, quota_s=60)
    shard.admit("req_1", terms)
    shard.admit("req_2", terms)
    shard.now += 60 * SECOND
    shard.admit("req_3", terms)

    for request in ("req_1", "req_2", "req_3"):
        shard.call("void", request, shard.now)

    assert shard.account("k:key_1")["q_count"] == 0


def test_undone_request_that_counted_for_no_quota_gives_none_back(shard: Shard) -> None:
    shard.admit("req_1", Terms(quota=9, quota_s=60))
    shard.admit("req_2", Terms())

    shard.call("void", "req_2", shard.now)

    assert shard.account("k:key_1")["q_count"] == 1


def test_what_was_said_by_the_same_number_changes_nothing(shard: Shard) -> None:
    grants = [shard.call("grant", "proj_a", amount, 2) for amount in (5, 9)]
    budgets = [shard.call("budget", "k:key_1", amount, 2) for amount in (5, 9)]

    assert (grants, budgets) == ([1, 0], [1, 0])
    assert shard.account("p:proj_a")["granted"] == 5
    assert shard.account("k:key_1")["budget"] == 5


def test_restored_figures_stand_unless_newer_ones_were_said() -> None:
    shard = Shard(opened=False)
    for seq in (1, 2, 3):
        shard.call("grant", f"proj_{seq}", 5, seq)
        shard.call("restore", f"p:proj_{seq}", "granted", 7, "seq", 2)

    said = [shard.account(f"p:proj_{seq}")["granted"] for seq in (1, 2, 3)]

    assert said == [7, 7, 5]
    shard.forget()


def test_events_after_a_loss_are_placed_above_those_before_it() -> None:
    shard, before = Shard(opened=False), 99_999_999_999_999
    shard.call("open", 0, f"{before}-0", shard.now - SECOND)
    shard.admit("req_1", Terms())

    _, place = shard.call("settle", "req_1", *WHO, 1, 0, "{}", shard.now)

    assert place == f"{before}-1".encode()
    shard.forget()


@pytest.mark.parametrize("ahead_s", [0, 1, 60, 61])
def test_shard_opens_at_its_moment_and_not_before(ahead_s: int) -> None:
    shard = Shard(opened=False)
    shard.call("open", ahead_s, "", shard.now)

    # More than a minute ahead is a clock that went back.
    assert (shard.word("req_1", Terms()) == "admitted") is (ahead_s in (0, 61))
    shard.forget()


def test_money_is_refused_from_the_first_unit_that_is_not_there(shard: Shard) -> None:
    shard.call("grant", "proj_a", 200, 1)
    shard.call("budget", "e:ep_1", 100, 1)

    assert shard.word("req_1", Terms(), replace(PAID, hold_money=101)) == "budget"
    assert shard.word("req_1", Terms(), PAID) == "admitted"
    other = Terms(endpoint="ep_2")
    assert shard.word("req_2", other, replace(PAID, hold_money=101)) == "balance"
    assert shard.word("req_2", other, PAID) == "admitted"


def test_half_a_microsecond_of_rounding_refuses_nobody(shard: Shard) -> None:
    terms = Terms(token_step_us=0.5, token_cap_us=1000)
    shard.admit("req_1", terms, Size(est_in=1, est_out=0))

    assert shard.word("req_2", terms, Size(est_in=2001, est_out=0)) == "tokens"
    assert shard.word("req_2", terms, Size(est_in=2000, est_out=0)) == "admitted"


def test_more_money_alone_is_held_too_and_tokens_only_where_there_is_an_allowance(
    shard: Shard,
) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", Terms(), PAID)

    assert [shard.renew("req_1", 0, 90), shard.renew("req_1", 256, 0)] == ["renewed"] * 2

    account = shard.account("p:proj_a")
    assert (account["held"], account.get("ah:free", 0)) == (190, 0)
    shard.settle("req_1", Terms(), 300, 77)
    assert shard.account("p:proj_a").get("ah:free", 0) == 0


def test_end_that_is_told_twice_in_one_call_is_charged_once(shard: Shard) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", Terms(), PAID)

    assert shard.settle_all(Terms(), [("req_1", 10, 30)] * 2) == ["settled", "again"]
    assert shard.account("p:proj_a")["spent"] == 30


def test_reaper_takes_no_more_than_it_was_told_to_and_says_how_long_each_ran(shard: Shard) -> None:
    for endpoint in ("ep_1", "ep_2"):
        for number in range(4):
            shard.admit(f"req_{endpoint}_{number}", Terms(endpoint=endpoint))
    shard.now += 15 * SECOND

    assert [shard.call("reap", 5, shard.now) for _ in range(3)] == [5, 3, 0]
    assert {json.loads(event)["latency_ms"] for _, event, _ in shard.events()} == {15_000}
