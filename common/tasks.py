"""Work of the floor, in the background."""

from __future__ import annotations

from celery import shared_task

from common import deliveries
from common.rest.idempotency import forget_old_answers


@shared_task(name="common.forget_answers", time_limit=60, ignore_result=True)
def forget_answers() -> None:
    """Delete answers to POSTs whose 24 hours are over."""
    forget_old_answers()


@shared_task(name="common.forget_notes", time_limit=60, ignore_result=True)
def forget_notes() -> None:
    """Delete notes that arrived a week ago."""
    deliveries.forget_sent()
