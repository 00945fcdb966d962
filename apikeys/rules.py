"""What a key may be used for, and from where. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import TextChoices

DEFAULT_GRACE = timedelta(hours=24)
MAX_GRACE = timedelta(days=7)
MAX_RULES = 100
_MAPPED_BITS = 96
"""Prefix of the IPv6 range that stands for all of IPv4 (RFC 4291 §2.5.5.2)."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Scope(TextChoices):
    """What a key may be used for. The values are public API and never renamed."""

    INFERENCE = "inference"
    MANAGEMENT = "management"
    EXECUTION = "execution"
    RESEARCH = "research"


def normal_network(text: str) -> str | None:
    """Return an address or CIDR range in its one form: no host bits, no mapped IPv4.

    None if it is neither; an address with a zone is none, since a zone means nothing here.
    """
    if "%" in text:
        return None
    try:
        network = _unmapped(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None
    is_address = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if is_address else str(network)


def is_welcome(address: str, *, allow: Sequence[str], block: Sequence[str]) -> bool:
    """Say whether a caller may come from here: in no blocked range, and in an allowed one.

    An empty allow list allows everywhere. What is no address is welcome only without rules.
    """
    if not allow and not block:
        return True
    try:
        caller = _unmapped(ipaddress.ip_network(address))
    except ValueError:
        return False
    if any(_contains(text, caller) for text in block):
        return False
    return not allow or any(_contains(text, caller) for text in allow)


def _unmapped(network: Network) -> Network:
    """Return the IPv4 network that an IPv4-mapped one stands for; any other as it is."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def _contains(text: str, caller: Network) -> bool:
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv4Network) and isinstance(caller, ipaddress.IPv4Network):
        return caller.subnet_of(network)
    if isinstance(network, ipaddress.IPv6Network) and isinstance(caller, ipaddress.IPv6Network):
        return caller.subnet_of(network)
    return False
