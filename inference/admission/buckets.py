"""Rate limits as buckets that refill (GCRA): how long one step takes, how much fits. Pure."""

from __future__ import annotations

from typing import Final

from inference.contracts.bursts import requests_at_once, tokens_at_once
from inference.contracts.entries import Terms

MINUTE_US: Final = 60_000_000


def request_bucket(terms: Terms) -> tuple[int, int]:
    """Return µs a request and µs of burst: half the limit at once, at least 3 (10 if paid)."""
    if terms.requests_per_min is None:
        return 0, 0
    step_us = -(-MINUTE_US // terms.requests_per_min)
    return step_us, step_us * requests_at_once(terms.tier, terms.requests_per_min)


def token_bucket(terms: Terms) -> tuple[float, float]:
    """Return µs a token and µs of burst. The burst is half the limit, as for requests."""
    if terms.tokens_per_min is None:
        return 0.0, 0.0
    step_us = MINUTE_US / terms.tokens_per_min
    return step_us, step_us * tokens_at_once(terms.tokens_per_min)
