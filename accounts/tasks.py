"""What happens to people's rows by the clock."""

from __future__ import annotations

from celery import shared_task

from accounts import retention


@shared_task(name="accounts.forget_old", time_limit=600, ignore_result=True)
def forget_old() -> None:
    """Delete sessions that are over and accounts nobody proved."""
    retention.forget_sessions()
    retention.forget_unproven()
