"""Deleting what has had its time, a handful at a time: no long lock, and no huge transaction."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

SIZE = 1000


def delete_all(rows: QuerySet[Any], *, size: int = SIZE) -> int:
    """Delete every row of a query, and what hangs on it; return how many rows those were."""
    count = 0
    while keys := list(rows.values_list("pk", flat=True)[:size]):
        rows.model._default_manager.filter(pk__in=keys).delete()  # noqa: SLF001 - Django's public name
        count += len(keys)
    return count
