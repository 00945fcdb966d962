"""How long single requests are kept. Their charges and their sums by day stay for good."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction

from common import clock
from usage import rules

_MONTHS = """
SELECT child.relname FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'usage_record'::regclass AND child.relname ~ '^usage_record_[0-9]{6}$'
ORDER BY 1
"""
# A dropped partition locks the whole table for a moment. If that moment does not come soon,
# nobody shall queue behind it: tomorrow is early enough.
_PATIENCE = "SET LOCAL lock_timeout = '2s'"


def kept_since() -> datetime:
    """Return the first instant from which records are kept; the beginning of time if for good."""
    months: int = settings.USAGE_MONTHS
    if months <= 0:
        return datetime.min.replace(tzinfo=UTC)
    return rules.months_before(clock.now(), months)


def drop_old_months() -> list[str]:
    """Drop the partitions of months that are over for good; return their names, oldest first.

    Raises ``OperationalError`` if the table was busy for longer than a moment.
    """
    if settings.USAGE_MONTHS <= 0:
        return []
    horizon = kept_since()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PATIENCE)
        # What came late, or from a month that had no partition yet.
        cursor.execute("DELETE FROM usage_record_rest WHERE started_at < %s", [horizon])
        cursor.execute(_MONTHS)
        names: list[str] = [name for (name,) in cursor.fetchall()]
        old = [name for name in names if name < f"usage_record_{horizon:%Y%m}"]
        for name in old:
            cursor.execute(f'DROP TABLE "{name}"')
    return old
