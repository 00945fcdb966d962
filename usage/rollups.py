"""Sums by minute, hour and day: added to as records arrive, rebuilt from them at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from common import clock
from usage import retention
from usage.models import UsageRollup
from usage.rules import FAILED, KEPT, LEFT, LEFT_EARLY, is_failure

_TARGET = """
INSERT INTO usage_usagerollup (project_id, grain, at, endpoint, endpoint_id, key_id, model,
    requests, failures, left_early, tokens_in, tokens_out, tokens_cached, cost)
"""
_SUMS = f"""
SELECT project_id, grain, date_trunc(grain, started_at, 'UTC') AS step, min(endpoint),
    endpoint_id, key_id, model, count(*), count(*) FILTER (WHERE {FAILED}),
    count(*) FILTER (WHERE {LEFT_EARLY}),
    sum(tokens_in), sum(tokens_out), sum(tokens_cached), sum(cost)
"""
# Always in the same order: two consumers that add to the same sums must not wait for each other.
_GROUPED = """
GROUP BY project_id, grain, step, endpoint_id, key_id, model
ORDER BY project_id, grain, step, endpoint_id, key_id, model
"""
_ADD = """
ON CONFLICT (project_id, grain, at, endpoint_id, key_id, model) DO UPDATE SET
    requests = usage_usagerollup.requests + excluded.requests,
    failures = usage_usagerollup.failures + excluded.failures,
    left_early = usage_usagerollup.left_early + excluded.left_early,
    tokens_in = usage_usagerollup.tokens_in + excluded.tokens_in,
    tokens_out = usage_usagerollup.tokens_out + excluded.tokens_out,
    tokens_cached = usage_usagerollup.tokens_cached + excluded.tokens_cached,
    cost = usage_usagerollup.cost + excluded.cost
"""
_GRAINS = "(VALUES ('minute'), ('hour'), ('day')) AS grains (grain)"

ADD_FRESH = f"rolled AS ({_TARGET} {_SUMS} FROM fresh CROSS JOIN {_GRAINS} {_GROUPED} {_ADD})"
"""A common table expression that adds the rows of ``fresh`` to the rollups."""

_REBUILD = f"""
{_TARGET} {_SUMS} FROM usage_record CROSS JOIN {_GRAINS}
WHERE started_at >= %s AND started_at < %s {_GROUPED}
"""
_SHIFT = f"""
{_TARGET}
SELECT %(project_id)s, grain, date_trunc(grain, %(started_at)s, 'UTC'), %(endpoint)s,
    %(endpoint_id)s, %(key_id)s, %(model)s, 0, %(failures)s, %(left_early)s, %(d_in)s,
    %(d_out)s, %(d_cached)s, %(d_cost)s
FROM {_GRAINS} ORDER BY grain
{_ADD}
"""  # noqa: S608 - constants of ours


def shift(
    cursor: CursorWrapper,
    said: Mapping[str, Any],
    *,
    before: Sequence[Any],
    after: Mapping[str, Any],
) -> None:
    """Move the sums by what an amended record differs from its estimate.

    ``before`` is status, ending, tokens in, out and cached, and cost.
    """
    status, ending, *amounts = before
    now = (after["tokens_in"], after["tokens_out"], after["tokens_cached"], after["cost"])
    d_in, d_out, d_cached, d_cost = (a - b for a, b in zip(now, amounts, strict=True))
    failures = is_failure(after["status"], after["ending"]) - is_failure(status, ending)
    left = (after["ending"] == LEFT) - (ending == LEFT)
    moved = {"d_in": d_in, "d_out": d_out, "d_cached": d_cached, "d_cost": d_cost}
    cursor.execute(_SHIFT, {**said, **moved, "failures": failures, "left_early": left})


def rebuild(since: datetime, until: datetime) -> int:
    """Sum the records of whole UTC days anew; return how many sums there are now.

    Days whose records are no longer kept stay as they are: there is nothing to sum them from.
    """
    since = max(since, retention.kept_since())
    with transaction.atomic():
        UsageRollup.objects.filter(at__gte=since, at__lt=until).delete()
        with connection.cursor() as cursor:
            cursor.execute(_REBUILD, [since, until])
            made: int = cursor.rowcount
    return made


def forget_old() -> int:
    """Drop fine sums nobody looks at any more; days are kept for good."""
    now = clock.now()
    return sum(
        UsageRollup.objects.filter(grain=grain, at__lt=now - kept).delete()[0]
        for grain, kept in KEPT.items()
    )
