"""How long decisions are kept: all of them for an hour, odd and drawn ones for some days."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest

from common import clock
from common.batches import delete_all
from routing.models import DecisionReading, KeptDecision
from routing.rules import RECENT_FOR, Because


def sweep() -> int:
    """Delete what has had its time, a handful at a time; return how many rows that were."""
    now = clock.now()
    recent = KeptDecision.objects.filter(kept_because=Because.RECENT, at__lt=now - RECENT_FOR)
    gone = delete_all(recent)
    DecisionReading.objects.update(recent=Greatest(F("recent") - gone, 0))
    days = timedelta(days=settings.DECISION_DAYS)
    return gone + delete_all(KeptDecision.objects.filter(at__lt=now - days))
