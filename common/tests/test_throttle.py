"""How often one caller may ask: counted in one step, and nobody is locked out by a dead Valkey."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.contrib.auth.models import AnonymousUser
from rest_framework.test import APIRequestFactory

from common import ids
from common.actor import Actor, ActorKind
from common.rest import throttle
from common.rest.throttle import META, CallerThrottle, Rate, caller_of, duration, take


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0ms"),
        (0, "0ms"),
        (0.0004, "0ms"),
        (0.012, "12ms"),
        (0.5, "500ms"),
        (1, "1s"),
        (1.4, "1s"),
        (1.5, "2s"),
        (59.4, "59s"),
        (59.5, "1m0s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (3599.4, "59m59s"),
        (3599.5, "1h0m0s"),
        (3725, "1h2m5s"),
        (90_061, "25h1m1s"),
    ],
)
def test_duration_is_written_as_openai_does(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_caller_has_the_whole_limit_at_once_and_then_waits_for_one() -> None:
    caller = ids.mint("caller")

    rates = [take(caller, limit=3, period_s=3000) for _ in range(4)]

    assert all(rates)
    assert [rate.allowed for rate in rates if rate] == [True, True, True, False]
    assert [rate.remaining for rate in rates if rate] == [2, 1, 0, 0]
    last = rates[-1]
    assert last is not None
    assert 990 < last.wait_s <= 1000
    assert 2990 < last.reset_s <= 3000
    assert rates[0] is not None
    assert rates[0].wait_s == 0


def test_refused_request_does_not_push_the_end_further_away() -> None:
    caller = ids.mint("caller")
    take(caller, limit=1, period_s=1000)

    waits = [rate.wait_s for _ in range(5) if (rate := take(caller, limit=1, period_s=1000))]

    assert len(waits) == 5
    assert all(990 < wait <= 1000 for wait in waits)
    assert waits == sorted(waits, reverse=True)


def test_dear_request_counts_for_several_or_not_at_all() -> None:
    caller = ids.mint("caller")

    first = take(caller, limit=10, cost=8, period_s=1000)
    dear = take(caller, limit=10, cost=3, period_s=1000)
    cheap = take(caller, limit=10, cost=2, period_s=1000)

    assert first is not None
    assert (first.allowed, first.remaining) == (True, 2)
    assert dear is not None
    assert (dear.allowed, dear.remaining) == (False, 0)
    assert 90 < dear.wait_s <= 100
    assert cheap is not None
    assert (cheap.allowed, cheap.remaining) == (True, 0)


def test_callers_do_not_use_up_each_others_limit() -> None:
    first, second = ids.mint("caller"), ids.mint("caller")
    take(first, limit=1, period_s=1000)

    rate = take(second, limit=1, period_s=1000)

    assert rate is not None
    assert rate.allowed


def test_rate_is_told_in_openais_headers() -> None:
    rate = Rate(allowed=True, limit=60, remaining=59, wait_s=0, reset_s=1.2)

    assert rate.headers() == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
    }


def request_of(*, user: Any = None, auth: Any = None, address: str = "203.0.113.9") -> Any:
    request = APIRequestFactory().get("/", REMOTE_ADDR=address)
    request.user = user or AnonymousUser()
    request.auth = auth
    return request


def test_key_is_counted_by_itself_and_a_person_by_theirs_and_strangers_by_address() -> None:
    key = SimpleNamespace(actor=Actor(ActorKind.KEY, "key_1", "ci"))
    ada = SimpleNamespace(is_authenticated=True, pk=7)

    assert caller_of(request_of(user=ada, auth=key)) == "key:key_1"
    assert caller_of(request_of(user=ada)) == "person:7"
    assert caller_of(request_of()) == "address:203.0.113.9"


def test_state_is_left_for_the_headers_also_where_a_request_is_refused(
    settings: Any,
) -> None:
    settings.MANAGEMENT_PER_MIN = 1
    request = request_of(user=SimpleNamespace(is_authenticated=True, pk=ids.mint("x")))
    view: Any = None
    counter = CallerThrottle()

    assert counter.allow_request(request, view) is True
    assert counter.allow_request(request, view) is False
    left = request.META[META]
    assert (left.limit, left.remaining) == (1, 0)
    assert 59 < (counter.wait() or 0) <= 60


def test_who_was_not_counted_yet_need_not_wait() -> None:
    assert CallerThrottle().wait() is None


def test_without_valkey_everybody_is_let_in_and_it_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.1)
    monkeypatch.setattr(throttle, "_client", lambda: away)
    view: Any = None

    assert take("anybody", limit=1) is None
    assert CallerThrottle().allow_request(request_of(), view) is True
    assert "requests are not counted" in caplog.text
