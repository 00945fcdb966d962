"""Questions about the audit log. Each names the project it asks about, or says it asks for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from audit import rules
from audit.models import AuditAnchor, AuditEntry
from audit.rules import Damage, Fault

CHUNK = 1000

_HEAD = "SELECT number, hash FROM audit_auditentry WHERE project = %s ORDER BY number DESC LIMIT 1"
_GROWN = """
SELECT head.project, head.number, head.hash
FROM (
    SELECT DISTINCT ON (project) project, number, hash FROM audit_auditentry
    WHERE %s::timestamptz IS NULL OR at >= %s ORDER BY project, number DESC
) AS head
WHERE head.number > COALESCE(
    (SELECT max(entry_number) FROM audit_auditanchor AS a WHERE a.project = head.project), 0
)
ORDER BY head.project
"""

# Steps from each name to the next one in the index; DISTINCT would read every entry.
_ACTORS = """
WITH RECURSIVE actors AS (
    (SELECT actor_name FROM audit_auditentry WHERE project = %s ORDER BY actor_name LIMIT 1)
    UNION ALL
    SELECT later.actor_name FROM actors CROSS JOIN LATERAL (
        SELECT actor_name FROM audit_auditentry
        WHERE project = %s AND actor_name > actors.actor_name ORDER BY actor_name LIMIT 1
    ) AS later
)
SELECT actor_name FROM actors LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant; empty fields mean all.

    ``action`` may be a whole word, or a beginning such as ``apikey.``.
    """

    since: datetime | None = None
    until: datetime | None = None
    action: str = ""
    actor: str = ""
    object_kind: str = ""
    object_id: str = ""


@dataclass(frozen=True, slots=True)
class ChainFault:
    """A fault, and the chain it is in: a project's, the platform's (empty), or the anchors'."""

    chain: str
    fault: Fault


def entries(*, project: str, wanted: Filter | None = None) -> QuerySet[AuditEntry]:
    """Return the entries of a project (a public id), newest first."""
    rows = AuditEntry.objects.filter(project=project).order_by("-number")
    return _narrowed(rows, wanted or Filter())


def page(
    *, project: str, wanted: Filter, before: int | None = None, limit: int = 50
) -> tuple[list[AuditEntry], bool]:
    """Return one page of a project's entries, newest first, and whether there are more.

    ``before`` is the number of the last entry of the page before.
    """
    rows = entries(project=project, wanted=wanted)
    if before is not None:
        rows = rows.filter(number__lt=before)
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit


def actors_of(*, project: str, most: int = 200) -> list[str]:
    """Return the names of those who did something in a project, in the database's order.

    It reads one entry for each name, however many there are.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ACTORS, [project, project, most])
        return [name for (name,) in cursor.fetchall()]


def next_entries(*, project: str, wanted: Filter, after: int) -> list[AuditEntry]:
    """Return the next chunk of a project's entries, oldest first: how an export walks."""
    rows = _narrowed(AuditEntry.objects.filter(project=project, number__gt=after), wanted)
    return list(rows.order_by("number")[:CHUNK])


def head_of(project: str) -> tuple[int, str]:
    """Return number and hash of the last entry of a chain."""
    with connection.cursor() as cursor:
        cursor.execute(_HEAD, [project])
        number, head = cursor.fetchone() or (0, rules.GENESIS)
    return number, head


def heads_beyond_anchors(since: datetime | None) -> list[tuple[str, int, str]]:
    """Return project, number and hash of the chains that grew beyond their last anchor."""
    with connection.cursor() as cursor:
        cursor.execute(_GROWN, [since, since])
        return [(project, number, head) for project, number, head in cursor.fetchall()]


def faults() -> Iterator[ChainFault]:
    """Check every chain of the platform; yield each broken place once. Reads everything."""
    seen: set[tuple[str, int]] = set()
    chains = AuditEntry.objects.order_by("project").values_list("project", flat=True).distinct()
    for project in chains:
        rows = AuditEntry.objects.filter(project=project).order_by("number")
        links = (row.link() for row in rows.iterator(chunk_size=CHUNK))
        for fault in rules.faults(links):
            seen |= {(project, fault.number), (project, fault.until)}
            yield ChainFault(project, fault)
    yield from _anchor_faults(seen)


def _anchor_faults(seen: set[tuple[str, int]]) -> Iterator[ChainFault]:
    rows = AuditAnchor.objects.order_by("number")
    for fault in rules.faults(row.link() for row in rows.iterator(chunk_size=CHUNK)):
        yield ChainFault("anchors", fault)
    entry = AuditEntry.objects.filter(
        project=OuterRef("project"), number=OuterRef("entry_number")
    ).values("hash")
    found = rows.annotate(found_hash=Subquery(entry))
    for row in found.iterator(chunk_size=CHUNK):
        if row.found_hash == row.entry_hash or (row.project, row.entry_number) in seen:
            continue
        damage = Damage.REWRITTEN if row.found_hash else Damage.MISSING
        yield ChainFault(row.project, Fault.at(row.entry_number, damage))


def _narrowed(rows: QuerySet[AuditEntry], wanted: Filter) -> QuerySet[AuditEntry]:
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    if wanted.action.endswith("."):
        rows = rows.filter(action__startswith=wanted.action)
    elif wanted.action:
        rows = rows.filter(action=wanted.action)
    for column, value in (
        ("actor_name", wanted.actor),
        ("object_kind", wanted.object_kind),
        ("object_id", wanted.object_id),
    ):
        if value:
            rows = rows.filter(**{column: value})
    return rows
