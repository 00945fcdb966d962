"""Usage's work in the background."""

from __future__ import annotations

import logging

from celery import shared_task

from usage import budgets, intake, refusals, retention, rollups

logger = logging.getLogger(__name__)


@shared_task(name="usage.ensure_partitions", time_limit=60, ignore_result=True)
def ensure_partitions() -> None:
    """Make next month's partition before anyone needs it."""
    intake.ensure_partitions()


@shared_task(name="usage.notify_thresholds", time_limit=60, ignore_result=True)
def notify_thresholds() -> None:
    """Tell of budgets that reached a threshold."""
    budgets.notify_thresholds()


@shared_task(name="usage.forget_old", time_limit=600, ignore_result=True)
def forget_old() -> None:
    """Drop fine sums that are older than anyone looks, and records as old as the operator says."""
    rollups.forget_old()
    refusals.forget_old()
    for name in retention.drop_old_months():
        logger.info("dropped %s: its charges and sums by day stay", name)
