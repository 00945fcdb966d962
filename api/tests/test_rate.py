"""One caller's hurry costs another nothing, and everybody is told what is left."""

from __future__ import annotations

import pytest
import redis
from django.test import override_settings
from rest_framework.test import APIClient

from common.rest import throttle
from projects.models import Project
from tests.make import make_key


def test_limit_is_exact_and_says_when_to_come_back() -> None:
    rates = [throttle.take("test:exact", limit=5) for _ in range(6)]

    known = [rate for rate in rates if rate is not None]
    assert [rate.allowed for rate in known] == [True] * 5 + [False]
    assert [rate.remaining for rate in known] == [4, 3, 2, 1, 0, 0]
    assert 11 < known[-1].wait_s <= 12
    assert 59 < known[-1].reset_s <= 60


@override_settings(MANAGEMENT_PER_MIN=2)
def test_caller_over_the_limit_is_told_and_others_are_not_held_up(
    manager: APIClient, home: str, acme: Project
) -> None:
    other = make_key(acme, scopes=("management",))

    answers = [manager.get(f"{home}/endpoints") for _ in range(3)]
    theirs = APIClient(headers={"authorization": f"Bearer {other.secret}"}).get(f"{home}/endpoints")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    error = answers[2].json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert answers[2]["Retry-After"] == str(error["retry_after"])
    assert error["retry_strategy"]["type"] == "exponential_backoff"
    assert theirs.status_code == 200


def test_limit_is_ten_a_second_unless_the_operator_says_otherwise(
    manager: APIClient, home: str
) -> None:
    assert manager.get(f"{home}/endpoints")["x-ratelimit-limit-requests"] == "600"


# At 600 a minute one comes back every tenth of a second, which a busy machine takes between two
# requests; at four a minute none does within a test.
@override_settings(MANAGEMENT_PER_MIN=4)
def test_every_answer_says_what_is_left(manager: APIClient, home: str) -> None:
    first = manager.get(f"{home}/endpoints")
    missing = manager.get(f"{home}/endpoints/none")

    assert first["x-ratelimit-limit-requests"] == "4"
    assert first["x-ratelimit-remaining-requests"] == "3"
    assert missing["x-ratelimit-remaining-requests"] == "2"
    assert first["x-ratelimit-reset-requests"].endswith("s")


@override_settings(MANAGEMENT_PER_MIN=4)
def test_nobody_known_is_counted_by_address(home: str) -> None:
    nobody = APIClient(REMOTE_ADDR="192.0.2.77")

    nobody.get(f"{home}/endpoints")
    left = nobody.get(f"{home}/endpoints")["x-ratelimit-remaining-requests"]

    assert left == "2"


def test_nobody_is_locked_out_while_valkey_is_away(
    manager: APIClient, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_client", lambda: redis.Redis(host="127.0.0.1", port=1))

    answer = manager.get(f"{home}/endpoints")

    assert answer.status_code == 200
    assert "x-ratelimit-limit-requests" not in answer
