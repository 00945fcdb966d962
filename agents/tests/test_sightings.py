"""What the gateways see of a worker, put together from what each of them wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from agents import sightings
from agents.sightings import UNSEEN, Health, joined, worker_health
from common import clock
from inference.contracts.names import GATEWAYS, SIGHTING_S, sighting_key

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def see(valkey: redis.Redis, gateway: str, said: dict[str, list[Any]], *, s_ago: float = 0) -> None:
    valkey.zadd(GATEWAYS, {gateway: clock.now().timestamp() - s_ago})
    valkey.set(sighting_key(gateway), json.dumps(said))


def test_worker_no_gateway_looks_after_is_unseen_and_not_out(valkey: redis.Redis) -> None:
    assert worker_health(["wrk_a"]) == {"wrk_a": UNSEEN}
    assert (UNSEEN.is_seen, UNSEEN.is_out) == (False, False)


def test_nobody_is_asked_about_no_worker(valkey: redis.Redis) -> None:
    see(valkey, "g1", {"wrk_a": [False, None, 0]})

    assert worker_health([]) == {}


def test_only_the_workers_in_question_are_told(valkey: redis.Redis) -> None:
    see(valkey, "g1", {"wrk_a": [False, None, 1], "wrk_b": [True, None, 2]})

    assert worker_health(["wrk_b"]) == {
        "wrk_b": Health(is_seen=True, is_out=True, answered_at=None, running=2)
    }


def test_what_runs_is_added_up_over_gateways_and_the_last_answer_counts(
    valkey: redis.Redis,
) -> None:
    see(valkey, "g1", {"wrk_a": [False, AT.timestamp() - 5, 3]})
    see(valkey, "g2", {"wrk_a": [False, AT.timestamp(), 4]})
    see(valkey, "g3", {"wrk_a": [False, None, 0]})

    assert worker_health(["wrk_a"])["wrk_a"] == Health(
        is_seen=True, is_out=False, answered_at=AT, running=7
    )


@pytest.mark.parametrize(
    ("first", "second", "is_out"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_worker_is_out_only_when_all_gateways_say_so(
    valkey: redis.Redis, *, first: bool, second: bool, is_out: bool
) -> None:
    see(valkey, "g1", {"wrk_a": [first, None, 0]})
    see(valkey, "g2", {"wrk_a": [second, None, 0]})

    assert worker_health(["wrk_a"])["wrk_a"].is_out is is_out


@pytest.mark.parametrize(("s_ago", "is_seen"), [(SIGHTING_S - 5, True), (SIGHTING_S + 5, False)])
def test_gateway_that_has_fallen_silent_is_not_believed_for_long(
    valkey: redis.Redis, *, s_ago: float, is_seen: bool
) -> None:
    see(valkey, "g1", {"wrk_a": [True, None, 0]}, s_ago=s_ago)

    assert worker_health(["wrk_a"])["wrk_a"].is_seen is is_seen


def test_gateway_whose_word_has_run_out_is_passed_over(valkey: redis.Redis) -> None:
    see(valkey, "g1", {"wrk_a": [False, None, 1]})
    see(valkey, "g2", {"wrk_a": [False, None, 1]})
    valkey.delete(sighting_key("g1"))

    assert worker_health(["wrk_a"])["wrk_a"].running == 1


def test_word_that_is_no_json_calls_nobody_out(valkey: redis.Redis) -> None:
    see(valkey, "g1", {"wrk_a": [True, None, 0]})
    valkey.set(sighting_key("g1"), "half a wo")

    assert worker_health(["wrk_a"]) == {"wrk_a": UNSEEN}


def test_without_valkey_nothing_is_known_and_nobody_is_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.1)
    monkeypatch.setattr(sightings, "client", lambda: away)

    assert worker_health(["wrk_a"]) == {"wrk_a": UNSEEN}


def test_what_a_probe_heard_is_told_also_beside_a_gateway_that_says_nothing_of_it(
    valkey: redis.Redis,
) -> None:
    see(valkey, "g1", {"wrk_a": [False, None, 1, "401"]})
    see(valkey, "g2", {"wrk_a": [False, None, 1]})

    assert worker_health(["wrk_a"])["wrk_a"].heard == "401"


def test_of_several_workers_together_one_that_is_seen_counts() -> None:
    out = Health(is_seen=True, is_out=True, running=1, heard="503")
    good = Health(is_seen=True, answered_at=AT, running=2, heard="200")

    assert joined([]) == joined([UNSEEN]) == UNSEEN
    assert joined([UNSEEN, out, UNSEEN]) == out
    assert joined([out, good]) == Health(
        is_seen=True, is_out=False, answered_at=AT, running=3, heard="200"
    )
