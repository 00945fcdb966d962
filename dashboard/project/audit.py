"""The audit log of a project: who did what to which thing, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_GET

from audit import selectors
from audit.selectors import Filter
from dashboard.shell.contexts import (
    Chip,
    Choice,
    Crumb,
    Shell,
    crumbs_to,
    shell_for,
    tabs_of_settings,
)
from dashboard.shell.door import project_page, show
from dashboard.templatetags import figures
from projects.rules import Role

if TYPE_CHECKING:
    from audit.models import AuditEntry
    from projects.access import Seat

PAGE = 50
MOMENTS = ("_at", "_after")
"""How the names of moments end; the log keeps them in UTC (RFC 3339)."""
ACTIONS = {
    "apikey.": "Keys",
    "endpoint.": "Endpoints",
    "member.": "Members",
    "invitation.": "Invitations",
    "project.": "The project",
    "budget.": "Budgets",
    "ledger.": "Credit",
    "pass.": "Passes",
}


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One thing somebody did. ``changes`` says in words what was before and what came after."""

    number: int
    at: datetime
    actor: str
    actor_kind: str
    address: str
    action: str
    object_kind: str
    object_id: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The entries a filter means, and where more of them are."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    actors: tuple[Choice, ...]
    actions: tuple[Choice, ...]
    since: str
    until: str
    is_filtered: bool
    entries: tuple[EntryRow, ...]
    more_url: str
    clear_url: str
    export_url: str


@require_GET
@project_page(at_least=Role.ADMIN, even_marked=True)
def audit(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the entries a filter means, newest first."""
    project, said = seat.project.public_id, request.GET
    wanted = _filter(said)
    found, has_more = selectors.page(
        project=project, wanted=wanted, before=_number(said.get("before", "")), limit=PAGE
    )
    base = reverse("project:audit", args=[project])
    kept = {name: said[name] for name in ("actor", "action", "since", "until") if said.get(name)}
    more = {**kept, "before": str(found[-1].number)} if has_more else {}
    context = AuditPage(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_settings(seat, "audit"),
        actors=_choices(
            {name: name for name in selectors.actors_of(project=project)}, wanted.actor
        ),
        actions=_choices(ACTIONS, wanted.action),
        since=_day_text(said.get("since", "")),
        until=_day_text(said.get("until", "")),
        is_filtered=bool(kept),
        entries=tuple(entry_row(entry) for entry in found),
        more_url=f"{base}?{urlencode(more)}" if more else "",
        clear_url=base,
        export_url=_export_url(project, wanted),
    )
    return show(request, "dashboard/project/audit.html", context)


def entry_row(entry: AuditEntry) -> EntryRow:
    """Lay out an entry."""
    names = dict.fromkeys([*entry.before, *entry.after])
    return EntryRow(
        number=entry.number,
        at=entry.at,
        actor=entry.actor_name,
        actor_kind=entry.actor_kind,
        address=entry.address,
        action=entry.action,
        object_kind=entry.object_kind,
        object_id=entry.object_id,
        changes=tuple(
            _change(name, entry.before, entry.after)
            for name in names
            if name in entry.before or not _is_nothing(entry.after[name])
        ),
    )


def _change(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    label = name.replace("_", " ")
    if name in before and name in after:
        return f"{label}: {_word(name, before[name])} → {_word(name, after[name])}"
    return f"{label}: {_word(name, after.get(name, before.get(name)))}"


def _is_nothing(value: object) -> bool:
    return value is None or value in ("", [])


def _word(name: str, value: object) -> str:
    if _is_nothing(value):
        return "none"
    if name == "amount" and isinstance(value, int):
        return figures.balance(value)
    if isinstance(value, str) and name.endswith(MOMENTS):
        return _moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%-d %b %Y, %H:%M} UTC"
    except ValueError:
        return text


def _filter(said: QueryDict) -> Filter:
    since, until = _day(said.get("since", "")), _day(said.get("until", ""))
    return Filter(
        since=since,
        # The last day counts whole.
        until=until + timedelta(days=1) if until else None,
        action=said.get("action", ""),
        actor=said.get("actor", ""),
    )


def _export_url(project: str, wanted: Filter) -> str:
    said = {
        "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "",
        "action": wanted.action,
        "actor": wanted.actor,
    }
    query = urlencode({name: value for name, value in said.items() if value})
    base = reverse("audit-export", args=[project])
    return f"{base}?{query}" if query else base


def _choices(labels: dict[str, str], chosen: str) -> tuple[Choice, ...]:
    said = {**labels, **({chosen: chosen} if chosen and chosen not in labels else {})}
    return tuple(Choice(value, label, value == chosen) for value, label in said.items())


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time.min, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _day_text(text: str) -> str:
    return text if _day(text) else ""


def _number(text: str) -> int | None:
    # Eighteen digits fit the column; anything else is the first page.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004
