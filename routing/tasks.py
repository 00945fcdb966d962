"""Work on decisions in the background."""

from __future__ import annotations

from celery import shared_task

from routing import retention


@shared_task(name="routing.sweep", time_limit=300, ignore_result=True)
def sweep() -> None:
    """Delete decisions that had their time."""
    retention.sweep()
