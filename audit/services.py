"""Writing the audit log. An entry is part of the transaction of the change it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from audit import rules, selectors
from audit.models import AuditAnchor, AuditEntry
from common import clock, tenancy
from common.actor import Actor

PLATFORM = "-"
"""How the wall calls the chain that belongs to no project."""
LATE = timedelta(hours=1)
"""No transaction takes longer: how far back an entry may appear that was not there before."""


def record(
    *,
    by: Actor,
    action: str,
    subject: tuple[str, str],
    project: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write down what ``by`` did to ``subject`` (its kind and id), inside the caller's transaction.

    ``project`` is a public id, or empty for what concerns the platform. Both sides hold
    only what changed, and no secrets. Writers of one project wait for each other here.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("An audit entry belongs in the transaction of its change.")
    before_this = _speak_of(project)
    number, head = selectors.head_of(project)
    entry = AuditEntry(
        project=project,
        number=number + 1,
        at=clock.now(),
        actor_kind=by.kind.value,
        actor_id=by.subject[:64],
        actor_name=by.name[:254],
        address=by.address[:64],
        request_id=by.request_id[:128],
        action=action,
        object_kind=subject[0],
        object_id=subject[1][:254],
        before=rules.without_secrets(rules.plain(before or {})),
        after=rules.without_secrets(rules.plain(after or {})),
        prev_hash=head,
    )
    entry.hash = rules.hash_of(head, entry.said())
    entry.save(force_insert=True)
    if before_this != (project or PLATFORM):
        tenancy.see_log_of(before_this)
    return entry


def anchor_heads() -> int:
    """Chain the heads of all projects that grew since the last time; return how many.

    One chain in every transaction would serialise the platform; this one runs beside it.
    """
    with transaction.atomic():
        _lock("audit anchors")
        last = AuditAnchor.objects.first()
        since = last.at - LATE if last else None
        number, head = (last.number, last.hash) if last else (0, rules.GENESIS)
        grown = selectors.heads_beyond_anchors(since)
        for project, entry_number, entry_hash in grown:
            anchor = AuditAnchor(
                number=(number := number + 1),
                at=clock.now(),
                project=project,
                entry_number=entry_number,
                entry_hash=entry_hash,
                prev_hash=head,
            )
            anchor.hash = head = rules.hash_of(head, anchor.said())
            anchor.save(force_insert=True)
    return len(grown)


def _speak_of(project: str) -> str:
    """Lock a chain and let the wall show it; return whose log was shown before.

    What is written down may concern another project than the one a request is about, or
    none: who accepts an invitation has not entered yet.
    """
    _lock(f"audit {project}")
    return tenancy.see_log_of(project or PLATFORM)


def _lock(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
