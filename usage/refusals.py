"""Take in what gateways refused: counts by step, and the last few requests of each code."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from common import clock
from inference.contracts.tallies import RefusalBatch, RefusedRequest, Tally, batch_from
from projects.models import Project
from usage.models import RefusalBatchSeen, RefusalRollup, RefusedCall
from usage.rules import KEPT, REFUSED_FOR, REFUSED_KEPT

logger = logging.getLogger(__name__)

BATCHES_KEPT = timedelta(days=1)
"""How long a batch is known again; a gateway tells one for as long as Valkey is away."""

_ADD = """
INSERT INTO usage_refusalrollup (project_id, grain, at, endpoint, key_id, code, count)
SELECT %(project)s, grain, date_trunc(grain, %(at)s, 'UTC'), %(endpoint)s, %(key_id)s,
    %(code)s, %(count)s
FROM (VALUES ('minute'), ('hour'), ('day')) AS grains (grain)
ON CONFLICT (project_id, grain, at, endpoint, key_id, code)
DO UPDATE SET count = usage_refusalrollup.count + excluded.count
"""
_SEE = """
INSERT INTO usage_refusalbatchseen (batch_id, seen_at) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
_TRIM = """
DELETE FROM usage_refusedcall WHERE project_id = %s AND code = %s AND request_id IN (
    SELECT request_id FROM usage_refusedcall WHERE project_id = %s AND code = %s
    ORDER BY at DESC, request_id DESC OFFSET %s)
"""


def take_in(text: str) -> bool:
    """Count a batch, once however often it is told; false if it changed nothing.

    One that nobody understands is dropped and logged: these are counts, not money.
    """
    try:
        batch = batch_from(text)
    except (ValueError, TypeError, KeyError) as fault:
        logger.warning("a batch of refusals was dropped: %r", fault)
        return False
    with transaction.atomic():
        return _take_in(batch)


def forget_old() -> int:
    """Drop what nobody looks at any more: fine sums, old requests, batches long counted."""
    now = clock.now()
    RefusalBatchSeen.objects.filter(seen_at__lt=now - BATCHES_KEPT).delete()
    gone = RefusedCall.objects.filter(at__lt=now - REFUSED_FOR).delete()[0]
    for grain, kept in KEPT.items():
        gone += RefusalRollup.objects.filter(grain=grain, at__lt=now - kept).delete()[0]
    return gone


def _take_in(batch: RefusalBatch) -> bool:
    if not _is_new(batch.batch_id[:40]):
        return False
    pks = _primary_keys(batch)
    _count(batch.tallies, pks)
    _remember(batch.requests, pks)
    return True


def _is_new(batch_id: str) -> bool:
    # Two readers may hold the same batch: the second waits here, and then has nothing to do.
    with connection.cursor() as cursor:
        cursor.execute(_SEE, [batch_id, clock.now()])
        is_new: bool = cursor.rowcount == 1
    return is_new


def _primary_keys(batch: RefusalBatch) -> dict[str, int]:
    named = {tally.project for tally in batch.tallies} | {one.project for one in batch.requests}
    rows = Project.objects.filter(public_id__in=named)
    return dict(rows.values_list("public_id", "pk"))


def _count(tallies: Iterable[Tally], pks: dict[str, int]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "project": pks[tally.project],
            "at": datetime.fromtimestamp(tally.minute, UTC),
            "endpoint": tally.endpoint[:63],
            "key_id": tally.key_id[:32],
            "code": tally.code[:40],
            "count": tally.count,
        }
        for tally in tallies
        if tally.project in pks
    ]
    # In one order, so that two readers that add to the same sums don't wait for each other.
    rows.sort(
        key=lambda row: (row["project"], row["at"], row["endpoint"], row["key_id"], row["code"])
    )
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, rows)


def _remember(requests: Sequence[RefusedRequest], pks: dict[str, int]) -> None:
    kept = [one for one in requests if one.project in pks]
    RefusedCall.objects.bulk_create(
        [
            RefusedCall(
                project_id=pks[one.project],
                request_id=one.request_id,
                caller_request_id=one.caller_request_id[:128],
                at=datetime.fromtimestamp(one.at, UTC),
                endpoint=one.endpoint[:63],
                key_id=one.key_id[:32],
                operation=one.operation[:40],
                code=one.code[:40],
                status=one.status,
                message=one.message[:240],
            )
            for one in kept
        ],
        ignore_conflicts=True,
    )
    with connection.cursor() as cursor:
        for project, code in sorted({(pks[one.project], one.code[:40]) for one in kept}):
            cursor.execute(_TRIM, [project, code, project, code, REFUSED_KEPT])
