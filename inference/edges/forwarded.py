"""``X-Forwarded-For``: who is calling, the peer or whom the proxies we trust say it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from inference.gate.rules import networks_of


class Proxies:
    """The proxies whose ``X-Forwarded-For`` is believed; from anyone else it means nothing.

    The field is read from the right, past every proxy of ours: what stands further left was
    written by strangers.
    """

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._networks = networks_of(trusted)

    def caller_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the address of the caller."""
        if not self._networks or not self.is_ours(peer):
            return peer
        named = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        address = peer
        for hop in reversed(named.decode("latin-1").split(",")):
            if not _is_address(hop.strip()):
                return address
            address = hop.strip()
            if not self.is_ours(address):
                return address
        return address

    def is_ours(self, address: str) -> bool:
        """Say whether this is a proxy we trust."""
        if not self._networks or not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
