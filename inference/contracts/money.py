"""What tokens cost: the one formula of both planes."""

from __future__ import annotations


def cost_of(
    tokens_in: int,
    tokens_out: int,
    tokens_cached: int,
    *,
    price_per_million: int,
    cached_percent: int,
) -> int:
    """Return what a request costs, in micro-units, rounded up to a whole one.

    ``tokens_cached`` are part of ``tokens_in``. Both planes count with this one formula.
    """
    hundredths = (tokens_in - tokens_cached + tokens_out) * 100 + tokens_cached * cached_percent
    return -(-hundredths * price_per_million // 100_000_000)
