"""Limits of a key's own (per-credential rate limits): what a gateway says of each, and does alone.

The function library decides by their numbers (``contracts.key_limits``). Here is what it answers
where one refuses, what the caller is told then, and how many requests may come in an outage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from inference.contracts.entries import Grant


class KeyLimit(ABC):
    """A kind of limit. ``word``: what the library answers; ``code``: what is public of it."""

    word: bytes
    code: str

    @abstractmethod
    def sentence(self, grant: Grant) -> str:
        """Say to a caller what the key may do."""

    @abstractmethod
    def in_outage(self, grant: Grant, part: float) -> int | None:
        """Return how many requests may come while Valkey is away; none if that has no limit.

        ``part`` is what one gateway may let in of any limit.
        """


class Quota(KeyLimit):
    """So many requests in each window of time."""

    def __init__(self) -> None:
        self.word = b"quota"
        self.code = "quota_exceeded"

    def sentence(self, grant: Grant) -> str:
        """Say how many, and in how long a time."""
        return (
            f"This key may make {grant.quota_requests} requests in {grant.quota_window_s} seconds."
        )

    def in_outage(self, grant: Grant, part: float) -> int | None:
        """Count the whole outage as one window."""
        requests = grant.quota_requests
        return max(1, int(requests * part)) if requests else None


KEY_LIMITS: Final[tuple[KeyLimit, ...]] = (Quota(),)


def requests_in_outage(grant: Grant, part: float) -> int | None:
    """Return how many requests of a key one gateway may let in while Valkey is away."""
    each = [limit.in_outage(grant, part) for limit in KEY_LIMITS]
    return min((most for most in each if most is not None), default=None)
