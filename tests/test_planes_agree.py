"""What both planes decide for themselves, neither importing the other, they decide alike."""

from __future__ import annotations

import ipaddress
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from apikeys.rules import Scope, is_welcome, normal_network
from common import addresses, ids
from common.rest import throttle
from inference.edges.forwarded import Proxies
from inference.exchange import answer_head
from inference.gate.address import read_target
from inference.gate.rules import INFERENCE, check_grant
from inference.http.ids import request_id
from inference.http.problems import Refused
from inference.tests.asks import GRANT
from projects.access import MANAGEMENT
from usage.rules import started_at

CALLERS = ("10.1.1.1", "10.1.1.2", "11.1.1.1", "::ffff:10.1.1.1", "2001:db8::5", "2001:db9::5", "x")
RULES = ("10.0.0.0/8", "10.1.1.1", "0.0.0.0/0", "::/0", "2001:db8::/32", "::ffff:11.0.0.0/104")
PROXIES = ("10.0.0.0/8", "fd00::/8")
HOPS = ("10.9.9.9", "::ffff:10.0.0.3", "fd00::1", "198.51.100.1", "2001:db8::1", "unknown", "")

PLACE = read_target(f"/{GRANT.project}/chat/v1/models".encode())

lists = st.lists(st.sampled_from(RULES), max_size=3).map(
    lambda said: tuple(filter(None, map(normal_network, said)))
)


@given(address=st.sampled_from(CALLERS), allow=lists, block=lists)
def test_rules_of_a_key_let_in_the_same_addresses(
    address: str, allow: tuple[str, ...], block: tuple[str, ...]
) -> None:
    grant = replace(GRANT, ip_allow=allow, ip_block=block)
    refused: Any = nullcontext()
    if not is_welcome(address, allow=allow, block=block):
        refused = pytest.raises(Refused, match="may not be used from this address")

    with refused:
        check_grant(grant, PLACE, address, time.time())


@given(peer=st.sampled_from(HOPS), hops=st.lists(st.sampled_from(HOPS), max_size=3))
def test_same_proxies_are_believed(peer: str, hops: list[str]) -> None:
    named = ", ".join(hops)
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"x-forwarded-for": named})

    theirs = Proxies(PROXIES).caller_of(peer, [(b"x-forwarded-for", named.encode())])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "TRUSTED_PROXIES", list(PROXIES))
        ours = addresses.caller_address(request)

    assert ours == plain(theirs)


def test_ids_of_requests_tell_their_moment_alike() -> None:
    now = time.time()

    moments = [started_at(one).timestamp() for one in (ids.request_id(), request_id(now))]

    assert moments == pytest.approx([now, now], abs=1)


def test_scopes_that_each_side_asks_for_are_those_of_keys() -> None:
    assert [Scope.MANAGEMENT, Scope.INFERENCE] == [MANAGEMENT, INFERENCE]


def plain(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


@pytest.mark.parametrize(
    "seconds", [-1.0, 0.0, 0.0004, 0.0005, 0.012, 0.9994, 0.9995, 1, 1.4, 1.5, 59.5, 3599.5, 90_061]
)
def test_durations_are_written_alike_on_both_planes(seconds: float) -> None:
    assert throttle.duration(seconds).encode() == answer_head.duration(seconds)
