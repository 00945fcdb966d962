"""What a gateway lets in by itself during an outage: a share of each limit, never more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.admission.holds import hold_of
from inference.admission.outage import OutageLimits, OutageShare
from inference.contracts.entries import Grant, Route
from inference.tests.asks import GRANT, ask_of, paid, route_of, terms_of

SHARE = OutageShare(part=0.25, money=1000, outage_s=600)


def let_in(
    outage: OutageLimits,
    route: Route,
    *,
    grant: Grant = GRANT,
    running: int = 0,
    now: float = 0.0,
) -> bool:
    hold = hold_of(ask_of(route, grant, prompt_tokens=100, limit_tokens=100))
    return outage.let_in(grant, route, hold, running, now)


def count(outage: OutageLimits, route: Route, *, now: float = 0.0, grant: Grant = GRANT) -> int:
    return sum(let_in(outage, route, now=now, grant=grant) for _ in range(300))


def test_quarter_of_the_requests_pass_at_once_and_as_they_refill() -> None:
    outage, route = OutageLimits(SHARE), route_of(terms_of(requests_per_min=64))

    at_once = count(outage, route)
    later = count(outage, route, now=30.0)

    assert (at_once, later) == (8, 8)


@pytest.mark.parametrize(
    ("route", "grant", "most"),
    [
        pytest.param(route_of(terms_of(tokens_per_min=16_000)), GRANT, 10, id="tokens"),
        pytest.param(route_of(terms_of(monthly_tokens=4_000)), GRANT, 5, id="allowance"),
        pytest.param(
            route_of(), replace(GRANT, quota_requests=16, quota_window_s=60), 4, id="quota"
        ),
        pytest.param(paid(route_of()), GRANT, 5, id="money"),
    ],
)
def test_no_more_than_the_share_of(route: Route, grant: Grant, most: int) -> None:
    generous = replace(route.terms, requests_per_min=10**6)
    outage = OutageLimits(SHARE)
    outage.learn("proj_a", 10**9)

    assert count(outage, replace(route, terms=generous), grant=grant) == most


def test_balance_that_was_never_seen_pays_for_nothing() -> None:
    assert not let_in(OutageLimits(SHARE), paid(route_of()))


def test_balance_that_was_seen_pays_for_its_share() -> None:
    outage = OutageLimits(SHARE)
    outage.learn("proj_a", 1_000)

    assert count(outage, paid(route_of())) == 1


def test_running_requests_count_against_the_share_of_concurrency() -> None:
    route = route_of(terms_of(concurrent=8))

    assert let_in(OutageLimits(SHARE), route, running=1)
    assert not let_in(OutageLimits(SHARE), route, running=2)


def test_nothing_passes_once_the_outage_has_lasted_too_long() -> None:
    outage = OutageLimits(SHARE)
    assert let_in(outage, route_of(), now=0.0)

    assert not let_in(outage, route_of(), now=600.0)


def test_next_outage_begins_with_nothing_used() -> None:
    outage = OutageLimits(SHARE)
    count(outage, route_of())

    outage.over()

    assert let_in(outage, route_of(), now=1000.0)


def test_running_stream_may_hold_more_only_within_the_cap() -> None:
    outage, route = OutageLimits(SHARE), paid(route_of())
    outage.learn("proj_a", 10**9)

    assert [outage.grow(route, 400, 400) for _ in range(3)] == [True, True, False]
