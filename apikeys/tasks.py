"""The keys' work in the background."""

from __future__ import annotations

from celery import shared_task

from apikeys import passes


@shared_task(name="apikeys.rotate_signing_key", time_limit=60, ignore_result=True)
def rotate_signing_key() -> None:
    """Make a new key that signs passes when the newest is 30 days old."""
    passes.rotate_signing_key()
