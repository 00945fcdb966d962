"""Budgets as pages show them: how far each is used up, and what there is to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING

from django.db.models import Q
from django.urls import reverse

from apikeys import selectors as apikeys
from dashboard.shell.contexts import may
from endpoints import selectors as endpoints
from projects.rules import Role
from usage import rules, selectors, standings
from usage.models import BudgetScope

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from projects.access import Seat
    from projects.models import Project
    from usage.models import Budget

FULL = 100
FEW = 5
"""How many budgets are shown beside other things; all of them have a page of their own."""
WHOLE, ENDPOINT, KEY = "The whole project", "Endpoint ", "Key "
"""What people call the subject of a budget: all, or the word before a name."""
_TONES = {50: "info", 75: "warning", 90: "warning", 100: "error"}


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget and this month's part of it; ``reached`` is its highest threshold so far."""

    public_id: str
    subject: str
    amount: int
    spent: int
    percent: int
    reached: int
    is_enforced: bool
    url: str

    @property
    def bar(self) -> int:
        """Return how long the bar is: never longer than whole."""
        return min(self.percent, FULL)

    @property
    def tone(self) -> str:
        """Return the tone in which the threshold is told; none below the first."""
        return _TONES.get(self.reached, "")

    @property
    def is_shut(self) -> bool:
        """Say whether requests are refused because of it."""
        return self.is_enforced and self.percent >= FULL


def fullest_budgets(seat: Seat) -> tuple[BudgetRow, ...]:
    """Return the few budgets of a project that are used up most, the fullest first."""
    every = standings.standings(project=seat.project)
    return _rows(seat, nlargest(FEW, every, key=lambda standing: standing.percent))


def budget_rows(seat: Seat, watched: Sequence[Budget]) -> tuple[BudgetRow, ...]:
    """Lay out some of a project's budgets, in their order."""
    return _rows(seat, standings.standings_of(project=seat.project, watched=watched))


def found_budgets(*, project: Project, query: str) -> QuerySet[Budget]:
    """Return the live budgets whose subject's name or id, or whose own id, holds a text."""
    rows = selectors.budgets_of(project=project)
    if not query:
        return rows
    is_meant = Q(public_id=query)
    for ids in (endpoints.ids_named, apikeys.ids_named):
        is_meant |= Q(subject_id__in=ids(project=project, query=query))
    if query.lower() in WHOLE.lower():
        is_meant |= Q(subject_id=project.public_id)
    return rows.filter(is_meant)


def _rows(seat: Seat, found: Sequence[standings.Standing]) -> tuple[BudgetRow, ...]:
    labels = labels_of(seat.project, [standing.budget.subject_id for standing in found])
    is_owner = may(seat, Role.OWNER)
    return tuple(_row(seat, standing, labels, is_owner=is_owner) for standing in found)


def labels_of(project: Project, ids: Sequence[str]) -> dict[str, str]:
    """Return what people call these subjects of budgets; no others are looked for."""
    slugs = endpoints.names_of(project=project, public_ids=ids)
    names = apikeys.names_of(project=project, public_ids=ids)
    return {
        project.public_id: WHOLE,
        **{public_id: f"{ENDPOINT}{slug}" for public_id, slug in slugs.items()},
        **{public_id: f"{KEY}{name}" for public_id, name in names.items()},
    }


def subject_named(project: Project, said: str) -> str:
    """Return the id of what a budget is to be for, by its id or by what people call it.

    Empty if the project has no such endpoint or key.
    """
    if said in {WHOLE, project.public_id}:
        return project.public_id
    if not said.startswith((KEY, "key_")):
        endpoint = endpoints.endpoint_of(project=project, slug=said.removeprefix(ENDPOINT))
        if endpoint is not None:
            return endpoint.public_id
    return _key_named(project, said.removeprefix(KEY))


def _key_named(project: Project, said: str) -> str:
    live = apikeys.keys_of(project=project).filter(revoked_at=None)
    named = {"public_id" if said.startswith("key_") else "name": said}
    key = live.filter(**named).first()
    return key.public_id if key else ""


def scope_of(project: Project, subject_id: str) -> str:
    """Return what kind of thing the id of a subject names."""
    if subject_id == project.public_id:
        return BudgetScope.PROJECT
    return BudgetScope.ENDPOINT if subject_id.startswith("ep_") else BudgetScope.KEY


def _row(
    seat: Seat, standing: standings.Standing, labels: dict[str, str], *, is_owner: bool
) -> BudgetRow:
    budget = standing.budget
    args = [seat.project.public_id, budget.public_id]
    return BudgetRow(
        public_id=budget.public_id,
        subject=labels.get(budget.subject_id, budget.subject_id),
        amount=budget.amount,
        spent=standing.spent,
        percent=standing.percent,
        reached=max(rules.reached(standing.spent, budget.amount), default=0),
        is_enforced=budget.is_enforced,
        url=reverse("project:budget", args=args) if is_owner else "",
    )
