"""The publisher's work in the background."""

from __future__ import annotations

from celery import shared_task

from catalog import services as catalog
from common import deliveries
from publisher import decisions, services


@shared_task(name="publisher.carry_unsent", time_limit=30, ignore_result=True)
def carry_unsent() -> None:
    """Carry notes that were not carried when they were written; let due terms begin."""
    catalog.begin_due_terms()
    deliveries.carry_due()


@shared_task(name="publisher.reconcile", time_limit=600, ignore_result=True)
def reconcile() -> None:
    """Compare everything with what the data plane knows, and mend."""
    services.reconcile()


@shared_task(name="publisher.read_decisions", time_limit=60, ignore_result=True)
def read_decisions() -> None:
    """Keep what gateways told of their decisions since that was last read."""
    decisions.read()
