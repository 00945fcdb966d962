"""Which addresses a call may go to: pure, and the same on every version of Python.

An address is judged by what it leads to: one of IPv6 that carries one of IPv4 is worth what
that is worth. The ranges are IANA's registries of special addresses; ``ipaddress`` knows
them, too, but another set in each release.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SETTING = "XEROTIER_OUTGOING_ALLOW"

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out to anybody to be reached at."""
_SPECIAL: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/32", "no address at all"),
    ("0.0.0.0/8", "reserved"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "a carrier's own"),
    ("127.0.0.0/8", "the platform's own machine"),
    ("169.254.0.0/16", "link-local, where clouds keep their secrets"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "reserved for examples"),
    ("192.88.99.0/24", "reserved"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "reserved for measurements"),
    ("198.51.100.0/24", "reserved for examples"),
    ("203.0.113.0/24", "reserved for examples"),
    ("224.0.0.0/4", "for many at once"),
    ("255.255.255.255/32", "for everyone at once"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "no address at all"),
    ("::1/128", "the platform's own machine"),
    ("fc00::/7", "private"),
    ("fec0::/10", "private"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "for many at once"),
    ("2001::/23", "reserved"),
    ("2001:db8::/32", "reserved for examples"),
    ("3fff::/20", "reserved for examples"),
)
_KINDS = tuple((ipaddress.ip_network(network), kind) for network, kind in _SPECIAL)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks as they are written in settings."""
    return tuple(ipaddress.ip_network(one, strict=False) for one in texts)


EVERYWHERE = networks(("0.0.0.0/0", "::/0"))
"""Where an operator may call, who could change the setting as well."""


def fault_in(address: Address, allowed: Sequence[Network]) -> str | None:
    """Say why no call may go to an address; none if it is public or its network is allowed."""
    if _is_among(address, allowed):
        return None
    kinds = (_kind(one) for one in _led_to(address) if not _is_among(one, allowed))
    kind = next(filter(None, kinds), None)
    if kind is None:
        return None
    return f"{address} is {kind}. An operator can allow its network: {SETTING}."


def _led_to(address: Address) -> tuple[Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour:
        return (address.sixtofour,)
    return address.teredo or (address,)


def _kind(address: Address) -> str | None:
    """Return what an address is other than public."""
    for network, kind in _KINDS:
        if address in network:
            return kind
    return "reserved" if address.version == 6 and address not in _GLOBAL else None  # noqa: PLR2004


def _is_among(address: Address, those: Sequence[Network]) -> bool:
    return any(address in one for one in those)
