"""What a stranger sends is used and forgotten: no table grows with the size of it, or for ever."""

from __future__ import annotations

import asyncio
import json

import pytest

from inference.edges.hygiene import HOST_MAX, _known_host, is_host_allowed
from inference.gate.address import read_target
from inference.gate.tables import NAME_MAX, Tables
from inference.telemetry.log import WORD_MAX, RequestLog, _known_place
from inference.telemetry.metrics import Metrics
from inference.telemetry.outcome import Outcome
from inference.tests.asks import route_of
from inference.tests.test_small_parts import ended
from inference.tests.test_tables import Clock, ScriptedSource

pytestmark = pytest.mark.anyio

HOSTS = ("localhost", ".example.org")


def asked(path: str) -> Outcome:
    """Return the outcome of a request that a good key has sent there."""
    outcome = ended(operation=read_target(f"/proj_A/chat/v1/{path}".encode()).operation)
    outcome.route = route_of()
    return outcome


@pytest.mark.parametrize(
    ("host", "is_ours"), [(b"a" * HOST_MAX + b".example.org", True), (b"a" * 60_000, False)]
)
def test_long_host_is_judged_and_not_remembered(host: bytes, is_ours: bool) -> None:
    before = _known_host.cache_info().currsize

    assert is_host_allowed(host, HOSTS) is is_ours
    assert _known_host.cache_info().currsize == before


def test_usual_host_is_remembered() -> None:
    is_host_allowed(b"chat.example.org:8443", HOSTS)
    before = _known_host.cache_info().hits

    assert is_host_allowed(b"chat.example.org:8443", HOSTS)
    assert _known_host.cache_info().hits == before + 1


def test_long_name_that_is_missing_is_asked_for_anew() -> None:
    clock, source = Clock(), ScriptedSource()
    tables = Tables(source, clock)
    tables.hear(clock.now + 10)
    short, long = "route:proj_A/chat", "route:proj_A/" + "a" * NAME_MAX

    for name in (short, short, long, long):
        tables.resolve([name], lambda _found, _sure: None)

    assert source.asked == [[short], [long], [long]]


def test_names_of_models_that_callers_make_up_are_counted_as_one() -> None:
    metrics = Metrics()

    for number in range(100):
        metrics.ended(asked(f"models/{number}"))

    counted = metrics.snapshot({})
    assert len(counted["requests"]) == 1
    assert len(counted["latency"]["counts"]) == 1


async def test_names_of_models_that_callers_make_up_are_not_remembered_by_the_log() -> None:
    log = RequestLog(lambda _: None, asyncio.get_running_loop(), lambda: 1_800_000_000.25)
    log.ended(asked("models"))
    before = _known_place.cache_info().currsize

    for number in range(100):
        log.ended(asked(f"models/{number}"))

    assert _known_place.cache_info().currsize == before


async def test_long_words_are_cut_in_the_log() -> None:
    written: list[bytes] = []
    log = RequestLog(written.append, asyncio.get_running_loop(), lambda: 1_800_000_000.25)

    log.ended(ended(project="proj_A", endpoint="a" * 60_000, operation="b" * 60_000))
    log.flush()

    line = json.loads(b"".join(written))
    assert (line["endpoint"], line["operation"]) == ("a" * WORD_MAX, "b" * WORD_MAX)
