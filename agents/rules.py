"""What a worker known by its URL may be, and how an agent stands."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from inference.contracts import operations
from inference.contracts.addresses import PUBLIC, fault_in_port

OPERATIONS = tuple(operations.OPERATIONS)
"""What a worker may offer: the paths below ``/v1`` that the gateway relays."""

DEFAULT_OPERATIONS = {
    "generate": ("chat/completions", "completions"),
    "embed": ("embeddings",),
    "score": ("rerank", "score"),
}
"""What a worker is taken to offer where neither anybody says nor it could be asked: what every
server of the task has. ``responses`` is not among it: most have none."""


def operations_of(task: str, spoken: Collection[str]) -> tuple[str, ...]:
    """Return what a worker offers of what its server speaks; the usual if that is nothing."""
    fitting = [one for one, tasks in operations.OPERATIONS.items() if task in tasks]
    return tuple(one for one in fitting if one in spoken) or DEFAULT_OPERATIONS[task]


CHANGEABLE = (
    "url",
    "operations",
    "tiers",
    "served_name",
    "slots",
    "engine",
    "context_length",
    "cache_scope",
    "region",
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


def fault_in_tenants_url(url: str) -> str | None:
    """Say why a project could not name this URL; none if it can. Where it leads is not asked."""
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return (
            "Write the URL in plain letters, without spaces. A host of other letters has a plain "
            "form, as xn--bcher-kva.example."
        )
    fault = fault_in_url(url)
    if fault:
        return fault
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    fault = fault_in_port(port, PUBLIC)
    return fault and fault[0].upper() + fault[1:]


SHOWN_STATES = ("pending", "active", "suspended", "disconnected", "dead", "retired")


def shown_state(state: str, *, is_linked: bool, is_dead: bool) -> str:
    """Return how an agent stands: what people decided first, then whether it is there."""
    if state != "active" or is_linked:
        return state
    return "dead" if is_dead else "disconnected"


FACTS_MAX_BYTES = 8 * 1024
TEXT_MAX = 200
COUNT_MAX = 2**31 - 1


def fault_in_facts(facts: dict[str, Any]) -> str | None:
    """Say why what a machine says of itself can't be kept; none if it can."""
    try:
        written = json.dumps(facts, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return "Facts are plain JSON."
    if len(written) > FACTS_MAX_BYTES or "\\u0000" in written:
        return f"Facts are JSON of at most {FACTS_MAX_BYTES} bytes, without NUL."
    return None


def text(value: Any) -> str:
    """Return a text of a machine's, as far as we keep one; empty if it is none."""
    return value[:TEXT_MAX].replace("\0", "") if isinstance(value, str) else ""


def count(value: Any, most: int = COUNT_MAX) -> int | None:
    """Return a number of a machine's that counts something; none if it can't."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 < value <= most else None
