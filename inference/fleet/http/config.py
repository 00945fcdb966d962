"""The numbers of the upstream client, each with its unit."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from inference.contracts.addresses import PUBLIC, Reach

KIB = 1024


@dataclass(frozen=True)
class HttpConfig:
    """How long to wait, how much to keep and how much to take from a worker.

    ``race_window_s``: a reused connection that dies without a byte within this time was
    being closed while we wrote (RFC 9112 section 9.3.1), so a whole request is sent again;
    one that dies later took a worker with it, and what to do is for failover to decide.
    ``max_spare_bytes`` bounds all that is not body: heads (informational ones together with
    the final one), chunk framing between two pieces of body, trailers.
    ``tls`` replaces the default context (system roots, host name checked).
    ``tenants_reach``: where workers are called whose URL a tenant typed.
    """

    connect_timeout_s: float = 5.0
    max_connections_per_worker: int = 1024
    max_idle_per_worker: int = 256
    idle_reap_s: float = 30.0
    race_window_s: float = 1.0
    max_spare_bytes: int = 64 * KIB
    max_headers: int = 128
    write_high_bytes: int = 64 * KIB
    tls: ssl.SSLContext | None = None
    tenants_reach: Reach = PUBLIC
