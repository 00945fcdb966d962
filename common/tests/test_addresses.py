"""Whose word counts about where a request comes from."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from common.addresses import caller_address, is_from_a_proxy

PROXIES = ["10.0.0.0/8", "fd00::/8"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        pytest.param("203.0.113.9", "198.51.100.1", "203.0.113.9", id="a stranger's word"),
        pytest.param("10.0.0.2", "198.51.100.1", "198.51.100.1", id="our proxy's word"),
        pytest.param(
            "10.0.0.2", "192.0.2.7, 198.51.100.1", "198.51.100.1", id="a lie passed on by ours"
        ),
        pytest.param("10.0.0.2", "198.51.100.1, 10.0.0.3", "198.51.100.1", id="two of our proxies"),
        pytest.param("10.0.0.2", "10.9.9.9, 10.0.0.3", "10.9.9.9", id="only our own machines"),
        pytest.param("10.0.0.2", "", "10.0.0.2", id="no word"),
        pytest.param("10.0.0.2", "unknown", "10.0.0.2", id="no address"),
        pytest.param("10.0.0.2", "198.51.100.1, unknown", "10.0.0.2", id="broken on the way"),
        pytest.param("10.0.0.2", "x" * 10_000, "10.0.0.2", id="ten kilobytes"),
        pytest.param("::ffff:10.0.0.2", "2001:db8::1", "2001:db8::1", id="a mapped proxy"),
        pytest.param("fd00::1", "::ffff:198.51.100.1", "198.51.100.1", id="a mapped caller"),
        pytest.param("", "198.51.100.1", "", id="a server that does not say"),
    ],
)
def test_caller_is_found_behind_our_proxies_only(
    rf: RequestFactory, settings: Settings, peer: str, forwarded: str, caller: str
) -> None:
    settings.TRUSTED_PROXIES = PROXIES

    request = rf.get("/", REMOTE_ADDR=peer, headers={"x-forwarded-for": forwarded})

    assert caller_address(request) == caller


@pytest.mark.parametrize(("peer", "ours"), [("10.1.2.3", True), ("11.1.2.3", False), ("", False)])
def test_proxy_is_known_by_its_network(
    rf: RequestFactory, settings: Settings, peer: str, *, ours: bool
) -> None:
    settings.TRUSTED_PROXIES = PROXIES

    assert is_from_a_proxy(rf.get("/", REMOTE_ADDR=peer)) is ours
