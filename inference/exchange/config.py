"""Everything the plane can be told, as one frozen value. There are no ambient settings."""

from __future__ import annotations

from dataclasses import dataclass, field

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Waits:
    """Limits on waiting that are not the tier's. Seconds."""

    header_s: float = 15.0
    body_idle_s: float = 15.0
    body_whole_s: float = 300.0
    idle_connection_s: float = 75.0
    decision_s: float = 15.0
    connect_s: float = 5.0
    stalled_caller_s: float = 60.0
    silence_s: float = 15.0
    drain_delay_s: float = 3.0
    grace_s: float = 120.0
    probe_every_s: float = 5.0
    probe_s: float = 5.0

    def unused_s(self, *, was_used: bool) -> float:
        """Return how long a connection may ask nothing: before its first request, or after."""
        return self.idle_connection_s if was_used else self.header_s


@dataclass(frozen=True)
class Bounds:
    """Limits on size and number."""

    header_bytes: int = 32 * KIB
    header_count: int = 100
    body_bytes: int = 32 * MIB
    whole_body_bytes: int = 256 * KIB
    connections: int = 20_000
    waiting_requests: int = 4
    waiting_bytes: int = 64 * KIB
    table_entries: int = 50_000


@dataclass(frozen=True)
class PlaneConfig:
    """What one gateway process needs to know. Peppers are newest first, two at most.

    ``origins``: pages that may read answers of every project (``inference.origins``).
    ``outgoing_allow``: networks besides public ones where tenants' workers are called.
    Without a ``journal_dir`` the journal dies with the process' temporary folder.
    ``hop``: where other gateways ask this one for agents whose link is here: ``local``, an address,
    or empty for nowhere; a socket of that lies in ``home``, if that is given.
    """

    valkey_url: str
    peppers: tuple[bytes, ...]
    keyring: tuple[str, ...] = field(default=(), repr=False)
    trusted_proxies: tuple[str, ...] = ()
    outgoing_allow: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ("*",)
    outage_s: float = 600.0
    metrics_dir: str = ""
    metrics_allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    metrics_token: bytes = field(default=b"", repr=False)
    journal_dir: str = ""
    fast_edge: bool = True
    hop: str = "local"
    home: str = ""
    waits: Waits = field(default_factory=Waits)
    bounds: Bounds = field(default_factory=Bounds)
