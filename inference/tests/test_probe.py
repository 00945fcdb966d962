"""One probe: what it hears is told once, and who talks without end is not listened to."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.health_checks import HEARD_MAX, LIST_MAX, Probe
from inference.fleet.ports import WorkerFailed

pytestmark = pytest.mark.anyio
WORKER = Worker("w1", "http://127.0.0.1:9/v1", "mock", ())


class Asked:
    """A fleet and its call in one: keeps whether the call was given up."""

    def __init__(self) -> None:
        self.given_up = False

    def probe(self, _worker: Worker, _answer: Any) -> Asked:
        return self

    def abort(self) -> None:
        self.given_up = True


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def sent() -> tuple[Probe, Asked, list[tuple[str, str]]]:
    heard: list[tuple[str, str]] = []
    probe, asked = Probe(lambda fault, word: heard.append((fault, word))), Asked()
    probe.send(cast("Fleet", asked), WORKER, asyncio.get_running_loop(), 60)
    return probe, asked, heard


@pytest.mark.parametrize(
    ("status", "told"), [(200, ("", "200")), (401, ("", "401")), (503, ("status", "503"))]
)
async def test_status_is_told_and_below_500_is_a_sign_of_life(
    status: int, told: tuple[str, str]
) -> None:
    probe, asked, heard = sent()

    probe.on_head(status, [])
    probe.on_data(b"x" * 1000)
    probe.on_end()

    assert heard == [told]
    assert not asked.given_up


async def test_list_without_end_is_given_up_after_the_sign_of_life() -> None:
    probe, asked, heard = sent()
    probe.on_head(200, [])

    probe.on_data(b"x" * LIST_MAX)
    assert not asked.given_up
    probe.on_data(b"x")

    assert asked.given_up
    assert heard == [("", "200")]


async def test_failure_is_told_in_words_that_are_cut() -> None:
    probe, _, heard = sent()

    probe.on_fail(WorkerFailed("connect", "x" * 500))

    [(fault, word)] = heard
    assert fault == "connect"
    assert word == ("connect: " + "x" * 500)[:HEARD_MAX]
