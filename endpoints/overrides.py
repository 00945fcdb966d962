"""Raising or lowering the limits of one tenant: what operators do, with a reason and an end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor
from endpoints.errors import OverrideMalformed, OverrideUnknown
from endpoints.models import Endpoint, LimitOverride
from endpoints.rules import LIMITS
from projects.models import Project

LIMIT_MAX = 10**9


def set_override(
    *,
    project: Project,
    endpoint: Endpoint | None,
    limits: Mapping[str, int],
    reason: str,
    ends_at: datetime | None,
    by: Actor,
) -> LimitOverride:
    """Give a project, or an endpoint of it, other limits than its tier's; replaces what was.

    Raises ``OverrideMalformed``.
    """
    _check(limits, reason, ends_at)
    with transaction.atomic():
        _close(project, endpoint)
        made = LimitOverride.objects.create(
            project=project,
            endpoint=endpoint,
            reason=reason.strip(),
            made_by=by.name,
            made_at=clock.now(),
            ends_at=ends_at,
            **limits,
        )
        after: dict[str, object] = {**limits, "reason": made.reason, "ends_at": ends_at}
        _note(made, by, "limits.overridden", after)
    return made


def end_override(*, project: Project, endpoint: Endpoint | None, by: Actor) -> None:
    """Put the tier's limits back. Raises ``OverrideUnknown``."""
    with transaction.atomic():
        ended = _close(project, endpoint)
        if ended is None:
            raise OverrideUnknown("There is no override to end.")
        _note(ended, by, "limits.restored", {})


def end_due() -> int:
    """End the overrides whose moment has come; return how many."""
    count = 0
    with transaction.atomic():
        due = LimitOverride.objects.filter(ended_at=None, ends_at__lte=clock.now())
        for row in due.select_for_update(of=("self",), skip_locked=True).select_related("project"):
            LimitOverride.objects.filter(pk=row.pk).update(ended_at=clock.now())
            _note(row, SYSTEM, "limits.restored", {})
            count += 1
    return count


def _check(limits: Mapping[str, int], reason: str, ends_at: datetime | None) -> None:
    if not limits or not set(limits) <= set(LIMITS):
        raise OverrideMalformed("Say which limit is to be another, and how much.", param="limits")
    for name, value in limits.items():
        if not 1 <= value <= LIMIT_MAX:
            raise OverrideMalformed(f"Give 1 to {LIMIT_MAX:,}.", param=name)
    if not reason.strip():
        raise OverrideMalformed("Say why: the project sees this.", param="reason")
    if ends_at is not None and ends_at <= clock.now():
        raise OverrideMalformed("Choose an end that is still to come, or none.", param="ends_at")


def _close(project: Project, endpoint: Endpoint | None) -> LimitOverride | None:
    live = LimitOverride.objects.select_for_update(of=("self",)).filter(
        project=project, endpoint=endpoint, ended_at=None
    )
    found = live.first()
    if found is not None:
        LimitOverride.objects.filter(pk=found.pk).update(ended_at=clock.now())
    return found


def _note(row: LimitOverride, by: Actor, action: str, after: dict[str, object]) -> None:
    project = row.project
    subject = (
        ("endpoint", row.endpoint.public_id) if row.endpoint else ("project", project.public_id)
    )
    audit.record(by=by, action=action, project=project.public_id, subject=subject, after=after)
    outbox.announce("limits", project.pk)
