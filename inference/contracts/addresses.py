"""Which addresses a call may go to: pure, and the same on every version of Python and both planes.

An address is judged by what it leads to: one of IPv6 that carries one of IPv4 is worth what
that is worth. The ranges are IANA's registries of special addresses; ``ipaddress`` knows
them, too, but another set in each release. Whoever calls looks a name up once, judges every
address it has, and goes to one of those (``common/outgoing``, ``inference/fleet/http``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
_USUAL_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_OTHER_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566}
    | {6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017}
)
"""Of what speaks no HTTP and might take a request for its own language: mail, chat, databases."""
TRIED_MOST = 8
"""Of the addresses of one name. All of them are judged, and must be allowed."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks as they are written in settings."""
    return tuple(ipaddress.ip_network(one, strict=False) for one in texts)


@dataclass(frozen=True)
class Reach:
    """Where somebody's calls may go besides public addresses at the usual ports."""

    networks: tuple[Network, ...] = ()
    is_any_port: bool = False


PUBLIC = Reach()
EVERYWHERE = Reach(networks(("0.0.0.0/0", "::/0")), is_any_port=True)
"""Where an operator may call, who could change the setting as well."""


@dataclass(frozen=True)
class Place:
    """One address of a name, as sockets want it."""

    family: int
    whole: tuple[Any, ...]  # why: two or four parts, by family

    @property
    def address(self) -> Address:
        """Return the address by itself."""
        return parsed(self.whole[0])


@dataclass(frozen=True)
class Aim:
    """What is to be connected to: a host at a port. ``tells``: a secret, in the clear."""

    host: str
    port: int
    tells: bool = False


def parsed(text: str) -> Address:
    """Return an address as sockets write it, without the zone."""
    return ipaddress.ip_address(text.partition("%")[0])


def places_in(rows: Iterable[tuple[Any, ...]]) -> tuple[Place, ...]:
    """Return the addresses that a look-up (``getaddrinfo``) found."""
    return tuple(Place(family, whole) for family, _, _, _, whole in rows)


def fault_in_places(aim: Aim, places: Sequence[Place], reach: Reach) -> str | None:
    """Say why none of these may be connected to: one that is not allowed spoils them all."""
    if not places:
        return f"{aim.host} has no address."
    faults = (fault_in(place.address, aim, reach) for place in places)
    fault = next(filter(None, faults), None)
    return fault and f"{aim.host} may not be called: {fault}"


def fault_in(address: Address, aim: Aim, reach: Reach) -> str | None:
    """Say why no call may go to an address; none if it may."""
    unusual = fault_in_port(aim.port, reach)
    if unusual or _is_among(address, reach.networks):
        return unusual
    kinds = (_kind(one) for one in _led_to(address) if not _is_among(one, reach.networks))
    kind = next(filter(None, kinds), None)
    if kind is not None:
        return f"{address} is {kind}. An operator can allow its network: {SETTING}."
    is_open = aim.tells and not all(_is_among(one, reach.networks) for one in _led_to(address))
    return TOLD_IN_THE_CLEAR if is_open else None


TOLD_IN_THE_CLEAR = (
    "its credential could be read on the way. Write https://, or leave the credential out."
)


def fault_in_port(port: int, reach: Reach) -> str | None:
    """Say why no call may go to a port; none if it may."""
    is_high = port >= _FIRST_FREE_PORT and port not in _OTHER_PORTS
    if reach.is_any_port or is_high or port in _USUAL_PORTS:
        return None
    return f"port {port} is none that models are served at. Use 80, 443, or one from 1024."


def fault_in_peer(peer: str, place: Place) -> str | None:
    """Say if another was reached than the one that was judged."""
    reached = parsed(peer)
    return None if reached == place.address else f"{reached} was reached instead of {place.address}"


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
