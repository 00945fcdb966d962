"""The limiter on a real Valkey: what callers are told, and what outages leave behind."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from inference.admission.outage import OutageShare
from inference.admission.ports import Ask, RateLimits
from inference.admission.upkeep import Watermarks
from inference.contracts.entries import Grant, Route, load
from inference.contracts.events import UsageEvent
from inference.contracts.names import SHARDS, shard_tag
from inference.tests.asks import GRANT, ask_of, ended, paid, route_of, terms_of
from inference.tests.limits import Stage, open_shards, same_valkey, stage_in, until
from tests.clock import own_time

pytestmark = pytest.mark.anyio

RICH = 10**9
TAG = shard_tag("proj_a")


def grant_money(stage: Stage, amount: int = RICH) -> None:
    stage.valkey.fcall("xt1_grant", 1, TAG, "proj_a", amount, 1)


async def test_admitted_request_learns_what_is_left(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        ask = ask_of(route_of(terms_of(tokens_per_min=10_000)), limit_tokens=90)
        verdict = await stage.admit(ask)

    assert verdict.allowed
    assert verdict.limits == RateLimits(64, 31, 0.9375, 10_000, 4900, 0.6)


@pytest.mark.parametrize(
    ("route", "grant", "code", "says"),
    [
        pytest.param(
            route_of(), GRANT, "rate_limit_exceeded", "64 requests a minute: 32 at once", id="rpm"
        ),
        pytest.param(
            route_of(terms_of(tokens_per_min=100, requests_per_min=None)),
            GRANT,
            "rate_limit_exceeded",
            "100 tokens a minute: 50 at once",
            id="tpm",
        ),
        pytest.param(
            route_of(terms_of(concurrent=2, requests_per_min=None)),
            GRANT,
            "rate_limit_exceeded",
            "2 concurrent requests",
            id="concurrency",
        ),
        pytest.param(
            route_of(),
            replace(GRANT, quota_requests=3, quota_window_s=60),
            "quota_exceeded",
            "3 requests in 60 seconds",
            id="quota",
        ),
        pytest.param(
            route_of(terms_of(monthly_tokens=5_000)),
            GRANT,
            "quota_exceeded",
            "monthly allowance of 5000 tokens",
            id="allowance",
        ),
        pytest.param(
            paid(route_of()), GRANT, "insufficient_balance", "project's balance", id="balance"
        ),
    ],
)
async def test_refusal_names_its_limit(
    tmp_path: Path, route: Route, grant: Grant, code: str, says: str
) -> None:
    async with stage_in(tmp_path) as stage:
        verdicts = [await stage.admit(ask_of(route, grant)) for _ in range(40)]

    last = verdicts[-1]
    assert (last.allowed, last.code) == (False, code)
    assert says in last.message
    assert last.limits is not None


async def test_settled_request_is_charged_and_told_as_it_was(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        grant_money(stage)
        ask = ask_of(paid(route_of()), limit_tokens=90)
        await stage.admit(ask)
        event = ended(ask, 10, 20, caller_request_id='his "own"', ttft_ms=None)
        stage.limiter.settle(event)
        await until(lambda: stage.journal.pending == 0)

        (told,) = stage.events()
        account = stage.account("proj_a")

    assert load(UsageEvent, told["event"]) == event
    assert (account["spent"], account["held"]) == (30, 0)


async def test_stream_renews_slice_by_slice_until_the_money_ends(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        grant_money(stage, 10 + 3 * 256)
        ask = ask_of(paid(route_of()), streaming=True)
        first = await stage.admit(ask)
        renewals = [await stage.renew(ask, tokens) for tokens in (266, 522, 778)]
        held = stage.account("proj_a")["held"]

    assert first.hold_tokens == 266
    assert [r.hold_tokens for r in renewals] == [522, 778, None]
    assert [r.code for r in renewals] == ["", "", "insufficient_balance"]
    assert held == 778


async def test_budget_ends_a_stream_under_its_own_name(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        grant_money(stage)
        stage.valkey.fcall("xt1_budget", 1, TAG, "k:key_1", 300, 1)
        ask = ask_of(paid(route_of()), streaming=True)
        await stage.admit(ask)

        verdict = await stage.renew(ask, 266)

    assert (verdict.allowed, verdict.code) == (False, "budget_exceeded")


async def test_flushed_functions_are_loaded_again_without_anyone_noticing(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        await asyncio.sleep(0)
        stage.limiter._library._loaded_at -= 10
        stage.valkey.function_flush()

        verdict = await stage.admit(ask_of())

    assert verdict.allowed
    assert verdict.limits is not None


async def test_empty_valkey_refuses_and_an_end_waits_until_it_is_restored(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        ask = ask_of()
        await stage.admit(ask)
        stage.valkey.flushdb()
        refused = await stage.admit(ask_of())
        stage.limiter.settle(ended(ask))
        await until(lambda: stage.limiter.is_behind)
        waiting = stage.journal.pending

        stage.valkey.fcall("xt1_open", 1, TAG, 0, "")
        await stage.upkeep.turn()

        assert (refused.allowed, refused.code) == (False, "service_unavailable")
        assert (waiting, stage.journal.pending) == (1, 0)
        assert len(stage.events()) == 1


async def test_outage_lets_a_share_in_and_tells_valkey_afterwards(tmp_path: Path) -> None:
    share = OutageShare(part=0.25, money=1000)
    async with stage_in(tmp_path, share=share) as stage:
        grant_money(stage)
        route = paid(route_of())
        seen = ask_of(route, limit_tokens=90)
        await stage.admit(seen)
        await stage.cut()

        asks = [ask_of(route, limit_tokens=90) for _ in range(40)]
        verdicts = [await stage.admit(ask) for ask in asks]
        inside = [ask for ask, verdict in zip(asks, verdicts, strict=True) if verdict.allowed]
        refused = {verdict.code for verdict in verdicts if not verdict.allowed}
        for ask in (seen, *inside[:3]):
            stage.limiter.settle(ended(ask, 10, 20))
        waiting = stage.journal.pending
        await stage.mend()
        await stage.upkeep.turn()
        await until(lambda: stage.journal.pending == 0)

        account = stage.account("proj_a")
        assert (len(inside), refused, waiting) == (8, {"service_unavailable"}, 4)
        assert account["spent"] == 4 * 30
        assert account["held"] == 5 * 100
        assert len(stage.events()) == 4
        assert (await stage.admit(ask_of(route))).limits.remaining_requests == 32 - 9 - 1  # type: ignore[union-attr]


async def test_request_cut_off_in_mid_decision_and_refused_holds_nothing(tmp_path: Path) -> None:
    share = OutageShare(part=0.25, money=0)
    async with stage_in(tmp_path, share=share) as stage:
        grant_money(stage)
        stage.wire.swallows = True
        asking = asyncio.ensure_future(stage.admit(ask_of(paid(route_of()), limit_tokens=90)))
        await until(lambda: stage.account("proj_a").get("held") == 100)
        await stage.cut()
        verdict = await asking

        await stage.mend()
        await until(lambda: stage.account("proj_a")["held"] == 0)

        assert (verdict.allowed, verdict.code) == (False, "service_unavailable")
        assert stage.events() == []


async def test_release_of_a_refused_request_that_gets_lost_is_told_again(tmp_path: Path) -> None:
    async with stage_in(tmp_path, share=OutageShare(part=0.25, money=0)) as stage:
        grant_money(stage)
        stage.wire.swallows = True
        asking = asyncio.ensure_future(stage.admit(ask_of(paid(route_of()), limit_tokens=90)))
        await until(lambda: stage.account("proj_a").get("held") == 100)
        await stage.cut()
        await asking
        breaks: list[int] = []

        def break_once() -> None:
            # The release has been handed to the link and has not left yet.
            if not breaks:
                breaks.append(len(stage.link._waiting))
                stage.link._drop("the connection breaks at once")

        stage.link.on_up.append(break_once)

        await stage.mend()
        await until(lambda: stage.account("proj_a")["held"] == 0)

        assert breaks != []
        assert stage.events() == []
        assert len(stage.limiter._owed) == 0


async def test_valkey_that_stops_answering_costs_no_more_than_its_time_limit(
    tmp_path: Path,
) -> None:
    async with stage_in(tmp_path) as stage:
        stage.wire.swallows = True
        begun = own_time()

        verdict = await stage.admit(ask_of())

        assert verdict.allowed
        assert own_time() - begun < 4.0


async def test_running_request_that_valkey_forgot_is_told_again(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        grant_money(stage)
        ask = ask_of(paid(route_of()), limit_tokens=90)
        await stage.admit(ask)
        stage.valkey.flushdb()
        open_shards(stage.valkey)

        stage.limiter._running[ask.request_id].leased_at -= 60
        stage.limiter.keep_leases()

        await until(lambda: stage.account("proj_a").get("held") == 100)


async def test_next_process_settles_what_a_dead_one_left_in_its_journal(tmp_path: Path) -> None:
    async with stage_in(tmp_path) as stage:
        grant_money(stage)
        ask = ask_of(paid(route_of()), limit_tokens=90)
        await stage.admit(ask)
        await stage.cut()
        stage.limiter.settle(ended(ask))

    async with stage_in(tmp_path, valkey=same_valkey()) as stage:
        await stage.upkeep.turn()

        assert stage.account("proj_a")["spent"] == 30
        assert [json.loads(e["event"])["request_id"] for e in stage.events()] == [ask.request_id]


async def test_server_that_lost_its_last_second_is_told_again_what_postgresql_lacks(
    tmp_path: Path,
) -> None:
    async with stage_in(tmp_path) as stage:
        asks = [ask_of() for _ in range(3)]
        for ask in asks:
            await stage.admit(ask)
            stage.limiter.settle(ended(ask))
        await until(lambda: stage.journal.pending == 0)
        first = stage.valkey.xrange(f"{TAG}:usage")[0][0]
        stage.valkey.set(f"{TAG}:usage:done", first)
        stage.upkeep._watermarks.after_s = 0
        await stage.upkeep.turn()
        for key in stage.valkey.keys("*:r:*"):
            stage.valkey.delete(key)
        stage.valkey.delete(f"{TAG}:usage")

        stage.upkeep._run_id = b"another"
        stage.upkeep._wake.set()
        await stage.upkeep.turn()

        told = [json.loads(e["event"])["request_id"] for e in stage.events()]
        assert told == [ask.request_id for ask in asks[1:]]


async def test_charge_that_valkey_lost_after_postgresql_had_it_is_made_again(
    tmp_path: Path,
) -> None:
    async with stage_in(tmp_path) as stage:
        grant_money(stage)
        ask = ask_of(paid(route_of()), limit_tokens=90)
        await stage.admit(ask)
        stage.limiter.settle(ended(ask))
        await until(lambda: stage.journal.pending == 0)
        stage.valkey.set(f"{TAG}:usage:done", stage.valkey.xrange(f"{TAG}:usage")[-1][0])
        await stage.upkeep.turn()
        await stage.upkeep.turn()
        for key in stage.valkey.keys("*:r:*"):
            stage.valkey.delete(key)
        stage.valkey.hset(f"{TAG}:p:proj_a", "spent", 0)

        stage.upkeep._run_id = b"another"
        stage.upkeep._wake.set()
        await stage.upkeep.turn()

        assert stage.account("proj_a")["spent"] == 30


def test_watermark_is_safe_when_valkey_can_no_longer_lose_it() -> None:
    marks, one, two = Watermarks(after_s=3), [1] * SHARDS, [2] * SHARDS

    marks.note(10, one)
    marks.note(12, two)
    assert marks.safe == [0] * SHARDS
    marks.note(13, two)
    assert marks.safe == one
    marks.forget()
    marks.note(20, two)
    assert marks.safe == one


async def test_server_that_lost_everything_is_told_all_though_new_streams_have_grown_past_it(
    tmp_path: Path,
) -> None:
    async with stage_in(tmp_path) as stage:
        asks = [ask_of() for _ in range(3)]
        for ask in asks:
            await stage.admit(ask)
            stage.limiter.settle(ended(ask))
        await until(lambda: stage.journal.pending == 0)
        await stage.upkeep.turn()
        stage.valkey.flushdb()
        stage.valkey.fcall("xt1_remember", 1, TAG, asks[0].request_id)
        await stage.upkeep.turn()
        open_shards(stage.valkey)
        stage.valkey.set(f"{TAG}:usage:done", "9999999999999-0")

        await stage.upkeep.turn()

        told = [json.loads(e["event"])["request_id"] for e in stage.events()]
        assert told == [ask.request_id for ask in asks[1:]]
        assert stage.journal.pending == 0


async def test_journal_without_room_refuses_requests_rather_than_serve_them_unmetered(
    tmp_path: Path,
) -> None:
    async with stage_in(tmp_path) as stage:
        stage.journal.trouble = "the disk of the journal is full"

        verdict = await stage.admit(ask_of())

        assert (verdict.allowed, verdict.code) == (False, "service_unavailable")
        assert stage.valkey.keys("*:r:*") == []


async def test_two_gateways_share_a_limit_of_64_a_minute_to_the_request(tmp_path: Path) -> None:
    terms = terms_of(concurrent=10**6)
    async with stage_in(tmp_path) as one, stage_in(tmp_path, valkey=same_valkey()) as two:
        verdicts = await asyncio.gather(
            *((one, two)[n % 2].admit(ask_of(route_of(terms))) for n in range(200))
        )

    assert sum(verdict.allowed for verdict in verdicts) == 32
    waits = [verdict.retry_after_s for verdict in verdicts if not verdict.allowed]
    assert all(wait is not None and 0 < wait <= 0.9375 for wait in waits)


async def test_of_eight_parallel_requests_on_two_gateways_a_budget_for_one_lets_one_in(
    tmp_path: Path,
) -> None:
    def ask() -> Ask:
        return ask_of(paid(route_of()), limit_tokens=90)

    async with stage_in(tmp_path) as one:
        grant_money(one)
        one.valkey.fcall("xt1_budget", 1, TAG, "p:proj_a", 100, 1)
        async with stage_in(tmp_path, valkey=same_valkey()) as two:
            verdicts = await asyncio.gather(*((one, two)[n % 2].admit(ask()) for n in range(8)))

    assert sorted(verdict.code for verdict in verdicts) == [""] + ["budget_exceeded"] * 7
