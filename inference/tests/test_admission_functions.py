"""The admission functions on a real Valkey: what each limit refuses, and that nothing leaks."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from inference.tests.valkey import EPOCH_US, Shard, Size, Terms, free_terms

SECOND = 1_000_000
PAID = Size(est_money=100, hold_money=100)


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard()
    yield shard
    shard.forget()


def uuid7_at(moment_us: int) -> str:
    stamp = int(moment_us // 1000).to_bytes(6, "big").hex()
    return f"req_{uuid.UUID(stamp + '7' + uuid.uuid4().hex[13:])}"


def test_free_tier_takes_32_at_once_and_never_more_than_96_in_any_minute(shard: Shard) -> None:
    terms = free_terms(token_step_us=0.001, concurrent=10**6)
    admitted: list[int] = []
    for step in range(4 * 96):
        shard.now = EPOCH_US + step * 312_500
        calls = 200 if step == 0 else 2
        admitted += [
            shard.now
            for call in range(calls)
            if shard.word(f"req_{step}_{call}", terms) == "admitted"
        ]

    in_any_minute = max(sum(a <= b <= a + 60 * SECOND for b in admitted) for a in admitted)

    assert admitted.count(EPOCH_US) == 32
    assert in_any_minute == 96
    assert len(admitted) == 32 + (4 * 96 - 1) * 312_500 // 937_500


def test_no_false_429_after_the_burst_has_drained(shard: Shard) -> None:
    terms = free_terms(token_step_us=0.001)
    for call in range(200):
        shard.admit(f"req_{call}", terms)

    shard.now += 30 * SECOND
    again = [shard.word(f"req_b{call}", terms) for call in range(33)]

    assert again == ["admitted"] * 32 + ["requests"]


def test_refused_request_changes_nothing_at_all(shard: Shard) -> None:
    full = free_terms(concurrent=1, quota=9, quota_s=60, allowance=10_000)
    assert shard.word("req_1", full) == "admitted"
    before = shard.everything()

    refused = [
        shard.word("req_2", full),
        shard.word("req_3", replace(full, quota=1)),
        shard.word("req_4", replace(full, concurrent=9), Size(hold_tokens=10_001)),
        shard.word("req_5", replace(full, concurrent=9), Size(est_out=6_000)),
        shard.word("req_6", replace(full, concurrent=9, request_cap_us=937_500)),
        shard.word("req_7", replace(full, concurrent=9), PAID),
    ]

    assert refused == ["concurrency", "quota", "allowance", "tokens", "requests", "balance"]
    assert shard.everything() == before


def test_request_asked_twice_holds_once_and_is_answered_the_same(shard: Shard) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    first = shard.admit("req_1", Terms(), PAID)
    before = shard.everything()

    second = shard.admit("req_1", Terms(), PAID)

    assert second == first
    assert shard.everything() == before
    assert shard.account("p:proj_a")["held"] == 100


def test_of_eight_parallel_first_requests_against_a_budget_for_one_exactly_one_passes() -> None:
    shard = Shard()
    shard.call("grant", "proj_a", 10**9, 1)
    shard.call("budget", "k:key_1", 100, 1)
    words: list[str] = []
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        words.append(shard.word(f"req_{number}", Terms(), PAID))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(words) == ["admitted"] + ["budget"] * 7
    assert shard.account("k:key_1")["held"] == 100
    shard.forget()


@pytest.mark.parametrize("account", ["p:proj_a", "e:ep_1", "k:key_1"])
def test_budget_of_any_account_is_a_ceiling_that_can_be_lifted(shard: Shard, account: str) -> None:
    shard.call("grant", "proj_a", 10**9, 1)
    shard.call("budget", account, 150, 1)
    assert shard.word("req_1", Terms(), PAID) == "admitted"
    assert shard.word("req_2", Terms(), PAID) == "budget"

    shard.call("budget", account, "", 2)
    stale = shard.call("budget", account, 1, 1)

    assert stale == 0
    assert shard.word("req_2", Terms(), PAID) == "admitted"


def test_settle_releases_charges_and_reports_once(shard: Shard) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", Terms(allowance=10_000), replace(PAID, hold_tokens=266))

    words = [shard.settle("req_1", Terms(), 300, 77) for _ in range(2)]

    account = shard.account("p:proj_a")
    assert words == ["settled", "again"]
    assert (account["spent"], account["held"]) == (77, 0)
    assert (account["a:202611:free"], account["ah:free"]) == (300, 0)
    assert [kind for kind, _, _ in shard.events()] == ["settle"]
    assert shard.word("req_1", Terms()) == "ended"


def test_orphan_is_charged_as_last_renewed_and_amended_when_its_gateway_returns(
    shard: Shard,
) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", Terms(), PAID)
    shard.renew("req_1", 256, 90)

    shard.now += 15 * SECOND - 1
    too_early = shard.reap()
    shard.now += 1
    reaped = shard.reap()
    after_reaping = shard.account("p:proj_a")
    late = [shard.settle("req_1", Terms(), 300, 120) for _ in range(2)]

    assert (too_early, reaped, late) == (0, 1, ["amended", "again"])
    assert (after_reaping["spent"], after_reaping["held"]) == (190, 0)
    assert shard.account("p:proj_a")["spent"] == 120
    (kind, event, _), amend = shard.events()
    told = json.loads(event)
    assert kind == "settle"
    assert (told["tokens_in"], told["tokens_out"], told["cost"]) == (10, 512, 190)
    assert (told["ending"], told["source"]) == ("gateway_lost", "estimated")
    assert amend[0::2] == ("amend", "10 512 190")


def test_lease_that_ran_out_makes_room_though_nobody_has_reaped_it(shard: Shard) -> None:
    terms = Terms(concurrent=1)
    shard.admit("req_1", terms)

    shard.now += 15 * SECOND - 1
    before = shard.word("req_2", terms)
    shard.now += 1

    assert (before, shard.word("req_2", terms)) == ("concurrency", "admitted")


def test_lease_of_nobody_is_swept_without_charging_anybody(shard: Shard) -> None:
    shard.admit("req_1", Terms())
    shard.redis.delete(f"{shard.tag}:r:req_1")
    shard.now += 15 * SECOND

    assert (shard.reap(), shard.reap()) == (1, 0)
    assert shard.events() == []


def test_clock_that_went_back_does_not_close_an_open_shard(shard: Shard) -> None:
    shard.now -= 7_200 * SECOND

    assert shard.word("req_1", Terms()) == "admitted"


def test_what_was_renewed_is_released_with_the_rest(shard: Shard) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", Terms(allowance=9_000), replace(PAID, hold_tokens=266))
    shard.renew("req_1", 256, 90, allowance=9_000)
    held = shard.account("p:proj_a")

    shard.settle("req_1", Terms(), 300, 77)

    account = shard.account("p:proj_a")
    assert (held["held"], held["ah:free"]) == (190, 522)
    assert (account["held"], account["ah:free"]) == (0, 0)


def test_renewal_is_refused_when_money_ends_and_the_lease_lives_on(shard: Shard) -> None:
    shard.call("grant", "proj_a", 150, 1)
    shard.admit("req_1", Terms(), PAID)
    shard.now += 14 * SECOND

    word = shard.renew("req_1", 256, 100)

    shard.now += 14 * SECOND
    assert word == "balance"
    assert shard.reap() == 0
    assert shard.account("p:proj_a")["held"] == 100


def test_tokens_per_minute_never_end_a_running_stream_but_the_debt_delays_the_next(
    shard: Shard,
) -> None:
    terms = free_terms()
    shard.admit("req_1", terms)
    renewed = [shard.renew("req_1", 4096) for _ in range(3)]

    assert renewed == ["renewed"] * 3
    assert shard.word("req_2", terms) == "tokens"
    shard.now += (266 + 3 * 4096 - 5000 + 266) * 6_000
    assert shard.word("req_2", terms) == "admitted"


def test_request_larger_than_the_whole_bucket_passes_only_when_it_is_full(shard: Shard) -> None:
    terms, large = free_terms(), Size(est_in=20_000)
    assert shard.word("req_1", terms, large) == "admitted"
    said = shard.admit("req_2", terms, large)

    shard.now += said[5] - 1
    assert shard.word("req_2", terms, large) == "tokens"
    shard.now += 1
    assert shard.word("req_2", terms, large) == "admitted"


def test_reservation_that_was_not_used_is_given_back(shard: Shard) -> None:
    terms = free_terms()
    shard.admit("req_1", terms, Size(est_in=0, est_out=5_000))

    shard.settle("req_1", terms, 100, 0)

    assert shard.admit("req_2", terms, Size(est_in=0, est_out=0))[3] == 4_900


def test_void_undoes_an_admission_for_good(shard: Shard) -> None:
    terms = free_terms(quota=9, quota_s=60)
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", terms, PAID)

    shard.call("void", "req_1", shard.now)

    said = shard.admit("req_2", terms, PAID)
    assert said[1:7] == [31, 937_500, 4_734, 1_596_000, 0, 900]
    assert shard.account("k:key_1")["q_count"] == 1
    assert shard.word("req_1", terms, PAID) == "ended"
    assert shard.events() == []


def test_clock_that_goes_back_neither_fills_nor_locks_a_bucket(shard: Shard) -> None:
    terms = free_terms(token_step_us=0.001, request_cap_us=2 * 937_500)
    words = [shard.word(f"req_{n}", terms) for n in range(3)]
    shard.now -= 3600 * SECOND

    backwards = shard.word("req_4", terms)
    shard.now += 937_500

    assert (words[-1], backwards) == ("requests", "requests")
    assert shard.word("req_5", terms) == "admitted"


def test_quota_counts_a_window_from_its_first_request(shard: Shard) -> None:
    terms = Terms(quota=2, quota_s=60)
    words = [shard.word(f"req_{n}", terms) for n in range(2)]
    refused = shard.admit("req_3", terms)
    shard.now += 60 * SECOND

    assert words == ["admitted"] * 2
    assert (refused[0], refused[5]) == (b"quota", 60 * SECOND)
    assert shard.word("req_4", terms) == "admitted"


def test_quota_whose_clock_went_back_ends_after_one_window_at_most(shard: Shard) -> None:
    terms = Terms(quota=1, quota_s=60)
    shard.admit("req_1", terms)
    shard.now -= 3_000 * SECOND

    refused = shard.admit("req_2", terms)

    assert (refused[0], refused[5]) == (b"quota", 60 * SECOND)


def test_allowance_can_be_used_to_its_last_token(shard: Shard) -> None:
    terms = Terms(allowance=500)

    words = [shard.word(f"req_{tokens}", terms, Size(hold_tokens=tokens)) for tokens in (300, 200)]

    assert words == ["admitted"] * 2
    assert shard.word("req_3", terms, Size(hold_tokens=1)) == "allowance"


def test_allowance_returns_with_the_utc_month(shard: Shard) -> None:
    terms, size = Terms(allowance=500), Size(hold_tokens=266)
    shard.admit("req_1", terms, size)
    shard.settle("req_1", terms, 400, 0)
    refused = shard.admit("req_2", terms, size)

    shard.now += refused[5] - 1
    assert (refused[0], shard.word("req_2", terms, size)) == (b"allowance", "allowance")
    shard.now += 1
    assert shard.word("req_2", terms, size) == "admitted"
    assert shard.account("p:proj_a")["ah:free"] == 266


def test_month_that_a_request_began_in_pays_for_it(shard: Shard) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.admit("req_1", Terms(), PAID)
    shard.now += 40 * 86_400 * SECOND

    shard.settle("req_1", Terms(), 300, 77)

    account = shard.account("p:proj_a")
    assert account["m:202611"] == 77
    assert "m:202612" not in account


def test_empty_server_admits_and_settles_nothing_until_it_was_restored() -> None:
    shard = Shard(opened=False)
    assert shard.word("req_1", Terms()) == "unrestored"
    assert shard.settle(uuid7_at(shard.now), Terms(), 1, 1) == "unrestored"
    assert shard.everything() == {}

    shard.call("restore", "p:proj_a", "spent", 500, "m:202611", 500)
    shard.call("grant", "proj_a", 1000, 1)
    shard.call("open", 2, "5-0", shard.now)
    early = shard.word("req_1", Terms(), PAID)
    replayed = shard.settle(uuid7_at(shard.now), Terms(), 10, 30)
    shard.now += 2 * SECOND

    assert (early, replayed) == ("unrestored", "recovered")
    assert shard.admit("req_1", Terms(), PAID)[6] == 1000 - 530 - 100
    assert shard.call("restore", "p:proj_a", "spent", 0) == 0
    shard.forget()


def test_entry_older_than_the_markers_changes_no_counter_and_is_reported_as_late(
    shard: Shard,
) -> None:
    old = uuid7_at(shard.now - 48 * 3600 * SECOND - SECOND)
    young = uuid7_at(shard.now - 48 * 3600 * SECOND + SECOND)

    words = [shard.settle(request, Terms(), 10, 30) for request in (old, old, young)]

    assert words == ["late", "again", "recovered"]
    assert shard.account("p:proj_a")["spent"] == 30
    assert [kind for kind, _, _ in shard.events()] == ["late", "settle"]


def test_grant_that_is_behind_changes_nothing(shard: Shard) -> None:
    moved = [shard.call("grant", "proj_a", amount, seq) for amount, seq in ((5, 2), (9, 1), (7, 3))]

    assert moved == [1, 0, 1]
    assert shard.account("p:proj_a")["granted"] == 7


def test_amounts_beyond_32_bits_stay_exact(shard: Shard) -> None:
    huge = 9_007_199_254_740_000
    shard.call("grant", "proj_a", huge, 1)

    shard.admit("req_1", Terms(), Size(hold_money=huge - 1))
    shard.settle("req_1", Terms(), 1, huge - 1)

    assert shard.account("p:proj_a")["spent"] == huge - 1
    assert shard.word("req_2", Terms(), Size(hold_money=2)) == "balance"
    assert shard.word("req_2", Terms(), Size(hold_money=1)) == "admitted"
