"""The audit log's work in the background."""

from __future__ import annotations

from celery import shared_task

from audit import services


@shared_task(name="audit.anchor_heads", time_limit=60, ignore_result=True)
def anchor_heads() -> None:
    """Chain the heads of the projects' chains."""
    services.anchor_heads()
