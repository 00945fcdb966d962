"""Usage's work in the background."""

from __future__ import annotations

from celery import shared_task

from usage import services


@shared_task(name="usage.ensure_partitions", time_limit=60, ignore_result=True)
def ensure_partitions() -> None:
    """Make next month's partition before anyone needs it."""
    services.ensure_partitions()
