"""Which addresses a call to somebody's address may go to."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from inference.contracts.addresses import (
    EVERYWHERE,
    PUBLIC,
    Aim,
    Place,
    Reach,
    fault_in,
    fault_in_peer,
    fault_in_places,
    networks,
    places_in,
)
from tests.addresses import GOOD, HOSTILE

AIM = Aim("models.example", 443)
INSIDE = Reach(networks(["10.1.0.0/16", "fd00::/64"]))


@pytest.mark.parametrize(("address", "kind"), HOSTILE)
def test_address_that_is_not_public_is_refused_by_its_kind(address: str, kind: str) -> None:
    fault = fault_in(ipaddress.ip_address(address), AIM, PUBLIC)

    assert fault is not None
    assert kind in fault
    assert "XEROTIER_OUTGOING_ALLOW" in fault


@pytest.mark.parametrize("address", GOOD)
def test_public_address_is_called(address: str) -> None:
    assert fault_in(ipaddress.ip_address(address), AIM, PUBLIC) is None


@pytest.mark.parametrize("address", [address for address, _ in HOSTILE])
def test_operator_may_call_everywhere(address: str) -> None:
    assert fault_in(ipaddress.ip_address(address), Aim("x", 25, tells=True), EVERYWHERE) is None


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("64:ff9b::10.1.2.3", True),
        ("fd00::1", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        # Of the two that Teredo names one is allowed, and one is this machine.
        ("2001:0:0a01:203::80ff:fffe", False),
    ],
)
def test_allowed_network_opens_itself_however_it_is_written_and_no_other(
    address: str, *, is_allowed: bool
) -> None:
    assert (fault_in(ipaddress.ip_address(address), AIM, INSIDE) is None) is is_allowed


@pytest.mark.parametrize("port", [1, 22, 25, 53, 79, 81, 110, 442, 444, 1023, 3306, 6379, 6667])
@pytest.mark.parametrize("address", ["8.8.8.8", "10.1.2.3"])
def test_port_of_what_speaks_no_http_is_called_nowhere(address: str, port: int) -> None:
    fault = fault_in(ipaddress.ip_address(address), Aim("x", port), INSIDE)

    assert fault == f"port {port} is none that models are served at. Use 80, 443, or one from 1024."


@pytest.mark.parametrize("port", [80, 443, 1024, 5000, 8000, 8080, 8443, 11434, 30000, 65535])
def test_port_that_engines_listen_at_is_called(port: int) -> None:
    assert fault_in(ipaddress.ip_address("8.8.8.8"), Aim("x", port), PUBLIC) is None


@pytest.mark.parametrize(
    ("address", "is_told"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("64:ff9b::8.8.8.8", False),
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
    ],
)
def test_secret_in_the_clear_is_told_in_allowed_networks_alone(
    address: str, *, is_told: bool
) -> None:
    fault = fault_in(ipaddress.ip_address(address), Aim("x", 80, tells=True), INSIDE)

    assert (fault is None) is is_told
    assert fault is None or "https://" in fault


def test_one_address_that_is_not_allowed_spoils_all_of_a_name() -> None:
    rows = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 443, 0, 2)),
    ]

    assert fault_in_places(AIM, places_in(rows[:1]), PUBLIC) is None
    for some in (rows, rows[::-1]):
        fault = fault_in_places(AIM, places_in(some), PUBLIC)
        assert fault is not None
        assert fault.startswith("models.example may not be called: fe80::1 is link-local.")


def test_name_without_an_address_is_called_nowhere() -> None:
    assert fault_in_places(AIM, (), EVERYWHERE) == "models.example has no address."


def test_peer_is_the_one_that_was_judged() -> None:
    place = Place(socket.AF_INET6, ("fe80::1%eth0", 443, 0, 2))

    assert fault_in_peer("fe80::1%eth0", place) is None
    assert fault_in_peer("::1", place) == "::1 was reached instead of fe80::1"
