"""Money's work in the background."""

from __future__ import annotations

from celery import shared_task

from ledger import agent_hours


@shared_task(name="ledger.bill_agent_hours", time_limit=600, ignore_result=True)
def bill_agent_hours() -> None:
    """Charge the started hours of projects' own machines; those that were missed, too."""
    agent_hours.bill_agent_hours()
