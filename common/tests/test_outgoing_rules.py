"""Which addresses a call to somebody's address may go to."""

from __future__ import annotations

import ipaddress

import pytest

from common.outgoing.rules import EVERYWHERE, fault_in, networks

HOSTILE = [
    ("127.0.0.1", "own machine"),
    ("127.255.255.254", "own machine"),
    ("::1", "own machine"),
    ("0.0.0.0", "no address"),  # noqa: S104 - to be refused
    ("0.1.2.3", "reserved"),
    ("::", "no address"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("fd00:ec2::254", "private"),
    ("fec0::1", "private"),
    ("100.64.0.1", "carrier"),
    ("100.100.100.200", "carrier"),
    ("169.254.169.254", "secrets"),
    ("fe80::1", "link-local"),
    ("192.0.0.192", "reserved"),
    ("192.0.2.1", "examples"),
    ("2001:db8::1", "examples"),
    ("3fff::1", "examples"),
    ("198.19.0.1", "measurements"),
    ("224.0.0.1", "many at once"),
    ("239.255.255.250", "many at once"),
    ("ff02::1", "many at once"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "everyone"),
    ("2001:2::1", "reserved"),
    ("100::1", "reserved"),
    ("4000::1", "reserved"),
    ("::ffff:127.0.0.1", "own machine"),
    ("::ffff:169.254.169.254", "secrets"),
    ("::127.0.0.1", "reserved"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b::a9fe:a9fe", "secrets"),
    ("64:ff9b:1::8.8.8.8", "reserved"),
    ("2002:7f00:1::", "own machine"),
    ("2002:c0a8:101::1", "private"),
    # Teredo: a server's address, and a client's with every bit turned over.
    ("2001:0:7f00:1::f7f7:f7f7", "own machine"),
    ("2001:0:808:808::80ff:fffe", "own machine"),
]


@pytest.mark.parametrize(("address", "kind"), HOSTILE)
def test_address_that_is_not_public_is_refused_by_its_kind(address: str, kind: str) -> None:
    fault = fault_in(ipaddress.ip_address(address), ())

    assert fault is not None
    assert kind in fault
    assert "XEROTIER_OUTGOING_ALLOW" in fault


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "172.32.0.1",
        "172.15.255.255",
        "100.63.255.255",
        "100.128.0.1",
        "169.253.255.255",
        "223.255.255.255",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_public_address_is_called(address: str) -> None:
    assert fault_in(ipaddress.ip_address(address), ()) is None


@pytest.mark.parametrize("address", [address for address, _ in HOSTILE])
def test_operator_may_call_everywhere(address: str) -> None:
    assert fault_in(ipaddress.ip_address(address), EVERYWHERE) is None


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
    allowed = networks(["10.1.0.0/16", "fd00::/64"])

    assert (fault_in(ipaddress.ip_address(address), allowed) is None) is is_allowed
