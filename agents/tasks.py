"""The fleet's work in the background."""

from __future__ import annotations

from celery import shared_task

from agents import reports


@shared_task(name="agents.reconcile", time_limit=30, ignore_result=True)
def reconcile() -> None:
    """Hold the links of agents against their rows."""
    reports.reconcile()
