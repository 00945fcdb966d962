"""Orphans are settled once, by one gateway, and not before everybody had time to come back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from inference.admission.commands import LEASE_S
from inference.admission.reaper import Reaper
from inference.contracts.events import EVENT_FIELD
from inference.contracts.names import shard_tag
from inference.tests.asks import ask_of, ended
from inference.tests.limits import Stage, stage_in

pytestmark = pytest.mark.anyio

LEASES = f"{shard_tag('proj_a')}:l:ep_1/free"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def expire(stage: Stage) -> None:
    for request in stage.valkey.zrange(LEASES, 0, -1):
        stage.valkey.zadd(LEASES, {request: 1})


async def test_orphan_is_left_alone_for_two_lease_times_after_the_link_came_up(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with stage_in(tmp_path) as stage:
        reaper = Reaper(stage.link, clock)
        await stage.admit(ask_of())
        expire(stage)

        await reaper.turn()
        reaper.came_up()
        clock.now += 2 * LEASE_S - 0.1
        await reaper.turn()
        early = reaper.reaped
        clock.now += 0.1
        await reaper.turn()

        assert (early, reaper.reaped) == (0, 1)
        assert [event["kind"] for event in stage.events()] == ["settle"]
        assert stage.valkey.exists(LEASES) == 0


async def test_one_gateway_reaps_and_another_takes_over_when_it_is_gone(tmp_path: Path) -> None:
    clock = Clock()
    async with stage_in(tmp_path) as stage:
        one, two = Reaper(stage.link, clock), Reaper(stage.link, clock)
        for reaper in (one, two):
            reaper.came_up()
        clock.now += 2 * LEASE_S
        await one.turn()
        await stage.admit(ask_of())
        expire(stage)

        await two.turn()
        beside = two.reaped
        stage.valkey.delete("xt:reaper")
        clock.now += LEASE_S
        await two.turn()

        assert (beside, two.reaped) == (0, 1)


async def test_leases_of_a_gateway_that_knew_no_tiers_end_by_the_reaper(tmp_path: Path) -> None:
    clock = Clock()
    tag = shard_tag("proj_a")
    async with stage_in(tmp_path) as stage:
        reaper = Reaper(stage.link, clock)
        orphan, late = ask_of(), ask_of()
        for ask in (orphan, late):
            await stage.admit(ask)
        # As the library wrote them under the same name, before a lease named its tier.
        stage.valkey.rename(LEASES, f"{tag}:l:ep_1")
        stage.valkey.srem(f"{tag}:endpoints", "ep_1/free")
        stage.valkey.sadd(f"{tag}:endpoints", "ep_1")
        stage.limiter.settle(ended(late, 10, 20))
        async with asyncio.timeout(5):
            await stage.upkeep.turn()
        for request in stage.valkey.zrange(f"{tag}:l:ep_1", 0, -1):
            stage.valkey.zadd(f"{tag}:l:ep_1", {request: 1})
        reaper.came_up()
        clock.now += 2 * LEASE_S
        await reaper.turn()

        told = [
            (event["kind"], json.loads(event[EVENT_FIELD])["request_id"])
            for event in stage.events()
        ]
        assert told == [("settle", late.request_id), ("settle", orphan.request_id)]
        assert stage.valkey.exists(f"{tag}:l:ep_1") == 0


async def test_late_end_of_a_reaped_request_is_told_as_an_amendment(tmp_path: Path) -> None:
    clock = Clock()
    async with stage_in(tmp_path) as stage:
        reaper = Reaper(stage.link, clock)
        ask = ask_of(limit_tokens=90)
        await stage.admit(ask)
        expire(stage)
        reaper.came_up()
        clock.now += 2 * LEASE_S
        await reaper.turn()

        stage.limiter.settle(ended(ask, 10, 20))
        async with asyncio.timeout(5):
            await stage.upkeep.turn()

        assert [(e["kind"], e["was"]) for e in stage.events()] == [
            ("settle", ""),
            ("amend", "10 90 0"),
        ]
