"""Requests that are asked for in one call: each still stands for itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from inference.admission.ports import Verdict
from inference.tests.asks import ask_of, ended, route_of, terms_of
from inference.tests.limits import stage_in, until

pytestmark = pytest.mark.anyio


async def test_caller_whose_verdict_can_not_be_used_takes_nobody_elses(tmp_path: Path) -> None:
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    asks = [ask_of(route_of(terms_of())) for _ in range(3)]
    heard: list[Verdict] = []

    def fail(_verdict: Verdict) -> None:
        raise RuntimeError("not mine")

    async with stage_in(tmp_path) as stage:
        stage.limiter.admit(asks[0], heard.append)
        stage.limiter.admit(asks[1], fail)
        stage.limiter.admit(asks[2], heard.append)
        await until(lambda: len(heard) == 2)
        for ask in asks:
            stage.limiter.settle(ended(ask))
        await until(lambda: len(stage.events()) == 3)

    assert [verdict.allowed for verdict in heard] == [True, True]
    assert [str(trouble["exception"]) for trouble in troubles] == ["not mine"]


async def test_more_than_fit_in_one_call_are_all_answered_and_told(tmp_path: Path) -> None:
    route = route_of(terms_of(requests_per_min=None, tokens_per_min=None, concurrent=1000))
    asks = [ask_of(route) for _ in range(150)]
    heard: list[Verdict] = []

    async with stage_in(tmp_path) as stage:
        for ask in asks:
            stage.limiter.admit(ask, heard.append)
        await until(lambda: len(heard) == len(asks))
        for ask in asks:
            stage.limiter.settle(ended(ask))
        await until(lambda: stage.journal.pending == 0)
        told = sorted(event["event"].partition('"req_')[2][:32] for event in stage.events())

    assert all(verdict.allowed for verdict in heard)
    assert told == sorted(ask.request_id.removeprefix("req_") for ask in asks)


async def test_what_is_asked_as_the_link_breaks_is_decided_here_for_each(tmp_path: Path) -> None:
    route = route_of(terms_of(concurrent=8))
    asks = [ask_of(route) for _ in range(4)]
    heard: list[Verdict] = []

    async with stage_in(tmp_path) as stage:
        stage.wire.swallows = True
        for ask in asks:
            stage.limiter.admit(ask, heard.append)
        await stage.cut()
        await until(lambda: len(heard) == len(asks))

    # A quarter of eight may run here; the others hear that limits can't be checked.
    assert [verdict.allowed for verdict in heard] == [True, True, False, False]
    assert {verdict.code for verdict in heard[2:]} == {"service_unavailable"}
