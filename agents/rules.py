"""What a worker known by its URL may be."""

from __future__ import annotations

from urllib.parse import urlsplit

from inference.contracts import operations

OPERATIONS = tuple(operations.OPERATIONS)
"""What a worker may offer: the paths below ``/v1`` that the gateway relays."""

DEFAULT_OPERATIONS = {
    "generate": ("chat/completions", "completions"),
    "embed": ("embeddings",),
    "score": ("rerank", "score"),
}
"""What a worker is taken to offer where neither anybody says nor it could be asked: what every
server of the task has. ``responses`` is not among it: most have none."""

CHANGEABLE = (
    "url",
    "operations",
    "tiers",
    "served_name",
    "slots",
    "engine",
    "context_length",
    "cache_scope",
)
"""What of a worker may change. Name, model and owner are for life."""


def cpu_tier(cpuinfo: str) -> str:
    """Return the shipped tier of a machine without accelerators, by its ``/proc/cpuinfo``."""
    return "cpu_intel_optimized" if "GenuineIntel" in cpuinfo else "cpu_amd_optimized"


def fault_in_url(url: str) -> str | None:
    """Say why a gateway could not ask this URL; none if it can."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "Write the host's address and port as in http://host:8000 or http://[::1]:8000."
    if parts.scheme not in {"http", "https"}:
        return "Begin the URL with http:// or https://."
    if not parts.hostname:
        return "Name a host in the URL."
    if parts.username or parts.password:
        return "Give the credential by itself, not inside the URL."
    if parts.query or parts.fragment:
        return "Leave out what follows “?” or “#”."
    return None
