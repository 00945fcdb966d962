"""What both planes refuse in production about who may come near: pure, and without Django."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

LEAST_BITS = {4: 8, 6: 16}
"""A network that fixes fewer bits of an address is the world, and no network of anybody's."""
TOKEN_LEAST = 20
"""Characters under which a token is guessable."""


def is_world(network: str) -> bool:
    """Say whether a network holds (nearly) everyone."""
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False  # Told as a mistake where it is read.
    return parsed.prefixlen < LEAST_BITS[parsed.version]


def faults_in_proxies(trusted: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Say what is wrong with whom we believe, and how to mend it."""
    trusted = list(trusted)
    if not trusted:
        yield (
            "XEROTIER_TRUSTED_PROXIES is empty.",
            "Name the proxy that ends TLS, as a network.",
        )
    for network in filter(is_world, trusted):
        yield (
            f"XEROTIER_TRUSTED_PROXIES believes everyone ({network}).",
            "Name the proxy alone: anybody else could say to come from an allowed address.",
        )


def faults_in_metrics(allow: Iterable[str], token: bytes) -> Iterator[tuple[str, str]]:
    """Say what is wrong with who may read the metrics, and how to mend it."""
    for network in filter(is_world, allow):
        yield (
            f"XEROTIER_METRICS_ALLOW shows every tenant's numbers to everyone ({network}).",
            "Name the machine that scrapes, or set XEROTIER_METRICS_TOKEN instead.",
        )
    if token and len(token) < TOKEN_LEAST:
        yield "XEROTIER_METRICS_TOKEN is guessable.", f"Give {TOKEN_LEAST} characters or more."
