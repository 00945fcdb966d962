"""How long a seat waits before it dials again: as told, with jitter, and never for nothing."""

from __future__ import annotations

from random import Random

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from xim.link.dialling import declined
from xim.link.endings import LOST, Ending, Next, ending_of
from xim.link.waits import IN_VAIN, Waits

HELD = Ending(Next.AGAIN, "there is a link to this gateway already", 1.0)


def refusal(status: int = 503, after: str | None = None) -> Ending:
    headers = Headers({} if after is None else {"Retry-After": after})
    return declined(InvalidStatus(Response(status, "", headers)))


def test_place_in_a_gateways_line_is_kept_with_a_second_of_jitter() -> None:
    waits = Waits(Random(1))
    after = [waits.next_s(refusal(after="7")) for _ in range(200)]

    assert 7.0 <= min(after) < 7.1
    assert 7.9 < max(after) <= 8.0


def test_place_in_a_line_is_no_failure_and_lengthens_no_later_wait() -> None:
    waits = Waits(Random(1))
    for _ in range(20):
        waits.next_s(refusal(after="7"))

    assert waits.next_s(LOST) <= 1.0


@pytest.mark.parametrize("after", [None, "", "soon", "-1"])
def test_refusal_without_a_place_is_backed_off_from(after: str | None) -> None:
    waits = Waits(Random(1))
    ending = refusal(after=after)
    longest = max(waits.next_s(ending) for _ in range(200))

    assert ending.next is Next.BACK_OFF
    assert longest > 20


def test_no_place_is_farther_off_than_ten_minutes() -> None:
    assert refusal(after="99999999").least_s == 600


def test_address_without_a_tunnel_has_no_place_to_give() -> None:
    assert refusal(404, "7").next is Next.BACK_OFF


def test_gateway_that_is_held_is_passed_by_within_a_second_or_so() -> None:
    waits = Waits(Random(1))

    assert all(0.5 <= waits.next_s(HELD) <= 1.5 for _ in range(IN_VAIN))


def test_balancer_that_always_leads_to_the_same_gateway_is_asked_less_and_less() -> None:
    waits = Waits(Random(1))
    after = [waits.next_s(HELD) for _ in range(IN_VAIN + 20)]

    assert after[IN_VAIN + 4] > 3
    assert 15 <= min(after[-5:]) <= max(after[-5:]) <= 30


@pytest.mark.parametrize("what", ["settled", "lost"])
def test_patience_with_a_balancer_begins_anew(what: str) -> None:
    waits = Waits(Random(1))
    for _ in range(IN_VAIN + 20):
        waits.next_s(HELD)
    if what == "settled":
        waits.settled()
    else:
        waits.next_s(LOST)

    assert waits.next_s(HELD) <= 1.5


def test_gateway_that_takes_its_leave_says_how_wide_to_spread() -> None:
    waits = Waits(Random(1))
    spread = [waits.next_s(ending_of(1012), lived_s=60.0, spread_s=8.0) for _ in range(200)]

    assert min(spread) < 0.5
    assert 7.5 < max(spread) <= 8.0


def test_link_that_never_was_live_has_nothing_to_spread() -> None:
    waits = Waits(Random(1))
    longest = max(waits.next_s(ending_of(1012)) for _ in range(200))

    assert longest > 20


def test_overloaded_gateway_is_left_alone_for_as_long_as_that_takes() -> None:
    waits = Waits(Random(1))

    assert all(waits.next_s(ending_of(1013)) >= 5.0 for _ in range(50))
