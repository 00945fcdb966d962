"""The endpoints' work in the background."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction

from endpoints import allowance, overrides, services


@shared_task(name="endpoints.settle_allowances", time_limit=120, ignore_result=True)
def settle_allowances() -> None:
    """Follow owners that changed and months that began: whose allowance is where."""
    with transaction.atomic():
        for project_id, tier_id in allowance.settle_all():
            services.republish(project_id=project_id, tier_id=tier_id)


@shared_task(name="endpoints.end_due", time_limit=60, ignore_result=True)
def end_due() -> None:
    """End overrides of limits whose moment has come."""
    overrides.end_due()
