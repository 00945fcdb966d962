"""Many requests in one call of the functions, and what a call says of those to come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inference.tests.test_admission_functions import PAID
from inference.tests.valkey import Shard, Size, Terms, free_terms


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard()
    yield shard
    shard.forget()


def test_many_in_one_call_are_judged_one_after_the_other(shard: Shard) -> None:
    shard.call("grant", "proj_a", 250, 1)
    terms = free_terms(concurrent=3)

    words = shard.words(terms, [(name, PAID) for name in ("a", "b", "b", "c")])

    assert words == ["admitted", "admitted", "admitted", "balance"]
    assert shard.account("p:proj_a")["held"] == 2 * PAID.hold_money
    assert shard.words(terms, [(name, Size()) for name in ("d", "e")]) == [
        "admitted",
        "concurrency",
    ]


def test_many_ends_in_one_call_are_each_told_once(shard: Shard) -> None:
    shard.call("grant", "proj_a", 1000, 1)
    shard.words(Terms(), [("a", PAID), ("b", PAID)])

    words = shard.settle_all(Terms(), [("a", 10, 5), ("b", 10, 6), ("a", 10, 5)])

    assert words == ["settled", "settled", "again"]
    assert shard.account("p:proj_a")["spent"] == 11
    assert shard.account("p:proj_a")["held"] == 0
    assert len(shard.events()) == 2
    assert not shard.redis.exists(f"{shard.tag}:l:ep_1/free")


@pytest.mark.parametrize(
    ("grant", "terms", "size"),
    [
        pytest.param(100 * 17 - 1, {}, PAID, id="money for sixteen more"),
        pytest.param(10**6, {"concurrent": 1}, PAID, id="concurrency"),
        pytest.param(10**6, {"quota": 1, "quota_s": 60}, PAID, id="quota"),
        pytest.param(10**6, {"request_cap_us": 1_000_000}, PAID, id="requests"),
        pytest.param(10**6, {"token_cap_us": 6_000 * 300}, PAID, id="tokens"),
        pytest.param(0, {"allowance": 320 * 33}, Size(hold_tokens=320), id="allowance"),
    ],
)
def test_admission_is_called_easy_only_far_from_every_limit(
    shard: Shard, grant: int, terms: dict[str, int], size: Size
) -> None:
    shard.call("grant", "proj_a", 10**6, 1)
    assert shard.is_easy("far", free_terms(allowance=10**6, quota=9, quota_s=60), size)
    shard.forget()
    shard = Shard()
    shard.call("grant", "proj_a", grant, 1)

    said = shard.admit("near", free_terms(**terms), size)

    assert (said[0], said[7]) == (b"admitted", 0)


def test_budget_that_is_near_makes_admission_hard(shard: Shard) -> None:
    shard.call("grant", "proj_a", 10**6, 1)
    shard.call("budget", "k:key_1", PAID.hold_money * 17 - 1, 1)

    assert not shard.is_easy("near", free_terms(), PAID)
