"""A request refused here that Valkey may have let in is never charged, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from inference.admission.outage import OutageShare
from inference.admission.ports import Ask
from inference.contracts.names import shard_tag
from inference.tests.asks import ask_of, paid, route_of
from inference.tests.limits import Stage, same_valkey, stage_in, until

pytestmark = pytest.mark.anyio

TAG = shard_tag("proj_a")
NOTHING_BY_ITSELF = OutageShare(part=0.25, money=0)


async def refuse_unheard(stage: Stage) -> Ask:
    """Have Valkey let a request in whose gateway never hears of it, and refuses it."""
    stage.valkey.fcall("xt1_grant", 1, TAG, "proj_a", 10**9, 1)
    stage.wire.swallows = True
    ask = ask_of(paid(route_of()), limit_tokens=90)
    asking = asyncio.ensure_future(stage.admit(ask))
    await until(lambda: stage.account("proj_a").get("held") == 100)
    await stage.cut()
    assert not (await asking).allowed
    return ask


async def test_next_process_releases_what_a_dead_one_had_refused(tmp_path: Path) -> None:
    async with stage_in(tmp_path, share=NOTHING_BY_ITSELF) as stage:
        await refuse_unheard(stage)
        assert stage.account("proj_a")["held"] == 100

    async with stage_in(tmp_path, valkey=same_valkey()) as stage:
        await stage.upkeep.turn()

        assert stage.account("proj_a")["held"] == 0
        assert stage.account("proj_a").get("spent", 0) == 0
        assert stage.events() == []
        assert stage.journal.pending == 0


async def test_refused_request_that_was_reaped_before_is_given_back(tmp_path: Path) -> None:
    async with stage_in(tmp_path, share=NOTHING_BY_ITSELF) as stage:
        ask = await refuse_unheard(stage)
        later = int((time.time() + 3600) * 1e6)
        stage.valkey.fcall("xt1_reap", 1, TAG, 10, later)
        assert stage.account("proj_a")["spent"] == 100

    async with stage_in(tmp_path, valkey=same_valkey()) as stage:
        await stage.upkeep.turn()
        await stage.upkeep.turn()

        assert stage.account("proj_a")["spent"] == 0
        orphan, amended = stage.events()
        event = json.loads(amended["event"])
        assert (orphan["kind"], amended["kind"], amended["was"]) == ("settle", "amend", "10 90 100")
        said = (event["request_id"], event["status"], event["ending"], event["cost"])
        assert said == (ask.request_id, 503, "refused", 0)
        assert stage.journal.pending == 0
