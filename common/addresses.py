"""Who is calling: the peer, or whom the proxies we trust say it is.

The data plane decides the same way (``inference/edges/forwarded.py``), from the same setting.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def caller_address(request: HttpRequest) -> str:
    """Return the address a request came from; ``""`` when its server doesn't say.

    ``X-Forwarded-For`` is read from the right, past every proxy of
    ``XEROTIER_TRUSTED_PROXIES``: what stands further left was written by strangers. From
    any other peer the field means nothing.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    trusted = _networks(tuple(settings.TRUSTED_PROXIES))
    found: str = peer
    for hop in reversed(hops):
        if not _is_among(found, trusted) or _parsed(hop) is None:
            break
        found = hop.strip()
    parsed = _parsed(found)
    return str(parsed) if parsed else ""


def is_from_a_proxy(request: HttpRequest) -> bool:
    """Say whether the peer itself is one of the proxies we trust."""
    networks = _networks(tuple(settings.TRUSTED_PROXIES))
    return _is_among(request.META.get("REMOTE_ADDR", ""), networks)


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(one, strict=False) for one in trusted)


def _is_among(address: str, networks: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(text: str) -> Address | None:
    try:
        parsed = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped
    return parsed
