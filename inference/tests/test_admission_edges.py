"""Months that end, links that were cut and a Valkey that lost all, while a request runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inference.admission.outage import OutageLimits, OutageShare
from inference.tests.asks import GRANT, ask_of, ended, route_of, terms_of
from inference.tests.limits import open_shards, stage_in
from inference.tests.test_admission_functions import uuid7_at
from inference.tests.valkey import Shard, Size, Terms

DECEMBER_US = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 1_000_000
SECOND = 1_000_000


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard()
    yield shard
    shard.forget()


def test_stream_that_outlasts_its_month_asks_the_budget_that_it_is_charged_to(
    shard: Shard,
) -> None:
    shard.now = DECEMBER_US - SECOND
    shard.call("grant", "proj_a", 10**6, 1)
    shard.call("budget", "p:proj_a", 1000, 1)
    early, late = uuid7_at(shard.now), uuid7_at(shard.now)
    shard.word(early, Terms(), Size(hold_money=800))
    shard.settle(early, Terms(), 10, 800)
    assert shard.word(late, Terms(), Size(hold_money=100)) == "admitted"

    shard.now = DECEMBER_US + SECOND
    said = [shard.renew(late, 10, 100), shard.renew(late, 10, 100)]

    assert said == ["renewed", "budget"]
    shard.settle(late, Terms(), 30, 200)
    assert shard.account("p:proj_a")["m:202611"] == 1000


def test_request_that_valkey_forgot_is_charged_to_the_month_in_which_it_began(
    shard: Shard,
) -> None:
    began = uuid7_at(DECEMBER_US - SECOND)

    shard.now = DECEMBER_US + SECOND
    shard.admit(began, Terms(), Size(), forced=True)
    shard.settle(began, Terms(), 10, 30)

    account = shard.account("p:proj_a")
    assert (account["m:202611"], account.get("m:202612")) == (30, None)


def test_request_that_is_said_to_run_counts_as_running_again(shard: Shard) -> None:
    """Its gateway was cut off for longer than a lease, and is back."""
    one, other = Terms(concurrent=1), uuid7_at(shard.now)
    running = uuid7_at(shard.now)
    shard.word(running, one)
    shard.now += 20 * SECOND

    shard.admit(running, one, forced=True)

    assert shard.word(other, one) == "concurrency"


@pytest.mark.anyio
async def test_what_runs_is_held_again_before_a_restored_valkey_admits(tmp_path: Path) -> None:
    route = route_of(terms_of(concurrent=1))
    async with stage_in(tmp_path) as stage:
        await stage.upkeep.turn()
        assert (await stage.admit(ask_of(route, streaming=True))).allowed
        stage.valkey.flushdb()
        await stage.upkeep.turn()
        open_shards(stage.valkey)
        await stage.upkeep.turn()

        verdict = await stage.admit(ask_of(route))

    assert (verdict.allowed, verdict.code) == (False, "rate_limit_exceeded")


@pytest.mark.anyio
async def test_share_of_concurrency_is_of_the_endpoint_whatever_key_and_kind(
    tmp_path: Path,
) -> None:
    ours = route_of(terms_of(concurrent=8))
    theirs = route_of(terms_of(concurrent=8), endpoint_id="ep_2", endpoint="other")
    other_key = replace(GRANT, key_id="key_2")
    async with stage_in(tmp_path) as stage:
        before = ask_of(ours)
        await stage.upkeep.turn()
        assert (await stage.admit(before)).allowed
        await stage.cut()

        second = await stage.admit(ask_of(ours, other_key, streaming=True))
        third = await stage.admit(ask_of(ours))
        elsewhere = await stage.admit(ask_of(theirs))
        stage.limiter.settle(ended(before))
        again = await stage.admit(ask_of(ours))

    said = [verdict.allowed for verdict in (second, third, elsewhere, again)]
    assert said == [True, False, True, True]


def test_estimate_that_is_told_again_stays_an_estimate(shard: Shard) -> None:
    lost, terms = uuid7_at(shard.now), Terms()
    who = (terms.project, terms.endpoint, terms.key, terms.tier)
    told = [
        shard.call("estimate", lost, *who, 10, 90, 100, "the estimate", shard.now)[0]
        for _ in range(2)
    ]

    words = [shard.settle(lost, terms, 30, 30) for _ in range(2)]

    assert (told, words) == ([b"recovered", b"again"], ["amended", "again"])
    assert shard.account("p:proj_a")["spent"] == 30
    assert [(kind, was) for kind, _, was in shard.events()] == [
        ("settle", ""),
        ("amend", "10 90 100"),
    ]


def test_shard_that_lost_everything_while_it_was_restored_stays_closed() -> None:
    shard = Shard(opened=False)
    shard.redis.set(f"{shard.tag}:restoring", "7")
    shard.call("restore", "p:proj_a", "granted", 1000, "seq", 5)
    shard.redis.delete(*shard.everything())

    assert shard.call("open", 0, "", shard.now, "7") == 0

    shard.redis.set(f"{shard.tag}:restoring", "8")
    assert [shard.call("open", 0, "", shard.now, token) for token in ("7", "8")] == [0, 1]
    assert not shard.redis.exists(f"{shard.tag}:restoring")
    shard.forget()


def test_running_stream_keeps_to_its_share_of_the_allowance_during_an_outage() -> None:
    outage, route = (
        OutageLimits(OutageShare(part=0.25)),
        route_of(terms_of(monthly_tokens=4_000)),
    )

    assert [outage.grow(route, 400, 0) for _ in range(3)] == [True, True, False]
