"""What a worker known by its URL may be."""

from __future__ import annotations

from urllib.parse import urlsplit

OPERATIONS = (
    "chat/completions",
    "completions",
    "responses",
    "embeddings",
    "rerank",
    "score",
)
"""What a worker may offer: the paths below ``/v1`` that the gateway relays."""

BY_TASK = {
    "generate": ("chat/completions", "completions"),
    "embed": ("embeddings",),
    "score": ("rerank", "score"),
}
"""What a worker offers when nobody said: the operations of its model's task."""


def fault_in_url(url: str) -> str | None:
    """Say why a gateway could not ask this URL; none if it can."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        return "Begin the URL with http:// or https://."
    if not parts.hostname:
        return "Name a host in the URL."
    if parts.username or parts.password:
        return "Give the credential by itself, not inside the URL."
    if parts.query or parts.fragment:
        return "Leave out what follows “?” or “#”."
    return None
