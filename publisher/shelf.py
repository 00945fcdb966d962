"""What an operator does about notes that failed too often."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from audit import services as audit
from common import deliveries
from common.actor import Actor
from common.models import OutboxDelivery


def retry(chosen: Sequence[OutboxDelivery], *, by: Actor) -> tuple[int, int]:
    """Try again what was set aside of these; return how many arrived, and how many that were."""
    aside = _aside(chosen)
    for delivery in aside:
        _record("note.retried", delivery, by)
    endings = [deliveries.retry(delivery) for delivery in aside]
    return endings.count(deliveries.Ending.DONE), len(aside)


def drop(chosen: Sequence[OutboxDelivery], *, by: Actor) -> int:
    """Give up what was set aside of these; return how many that were."""
    aside = _aside(chosen)
    for delivery in aside:
        deliveries.drop(delivery)
        _record("note.dropped", delivery, by)
    return len(aside)


def _aside(chosen: Sequence[OutboxDelivery]) -> list[OutboxDelivery]:
    wanted = [delivery.pk for delivery in chosen]
    return list(deliveries.set_aside().filter(pk__in=wanted).select_related("note"))


def _record(action: str, delivery: OutboxDelivery, by: Actor) -> None:
    with transaction.atomic():
        audit.record(
            by=by,
            action=action,
            subject=("note", str(delivery.note_id)),
            after={"note": str(delivery.note), "reader": delivery.reader, "fault": delivery.fault},
        )
