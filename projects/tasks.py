"""What happens to projects by the clock."""

from __future__ import annotations

from celery import shared_task

from projects import invitations, services, suspension


@shared_task(name="projects.purge_due", time_limit=300, ignore_result=True)
def purge_due() -> None:
    """End the projects whose days of grace are over."""
    services.purge_due()


@shared_task(name="projects.lift_due", time_limit=60, ignore_result=True)
def lift_due() -> None:
    """Lift suspensions whose end has come."""
    suspension.lift_due()


@shared_task(name="projects.forget_invitations", time_limit=600, ignore_result=True)
def forget_invitations() -> None:
    """Delete invitations that led somewhere, or nowhere, long ago."""
    invitations.forget_closed()
