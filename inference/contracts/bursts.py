"""How much may come in one moment, where a limit speaks of a minute."""

from __future__ import annotations


def requests_at_once(tier: str, a_minute: int) -> int:
    """Return how many requests may come in one moment, after a pause: half, but a few at least."""
    return max(3 if tier == "free" else 10, a_minute // 2)


def tokens_at_once(a_minute: int) -> int:
    """Return how many tokens may be asked for in one moment, after a pause."""
    return max(1, a_minute // 2)
