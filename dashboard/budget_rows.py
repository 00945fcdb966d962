"""Budgets as pages show them: how far each is used up, and what there is to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse

from apikeys import selectors as apikeys
from dashboard.contexts import may
from endpoints import selectors as endpoints
from projects.rules import Role
from usage import budgets, rules
from usage.models import BudgetScope

if TYPE_CHECKING:
    from projects.access import Seat
    from projects.models import Project

FULL = 100
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


def budget_rows(seat: Seat) -> tuple[BudgetRow, ...]:
    """Return a project's budgets, the fullest first."""
    labels = subjects_of(seat.project)
    is_owner = may(seat, Role.OWNER)
    rows = [
        _row(seat, standing, labels, is_owner=is_owner)
        for standing in budgets.standings(project=seat.project)
    ]
    return tuple(sorted(rows, key=lambda row: -row.percent))


def subjects_of(project: Project) -> dict[str, str]:
    """Return what a budget may be for: ids, and what people call them."""
    slugs = endpoints.endpoints_of(project=project)
    names = apikeys.keys_of(project=project).filter(revoked_at=None)
    return {
        project.public_id: "The whole project",
        **{endpoint.public_id: f"Endpoint {endpoint.slug}" for endpoint in slugs},
        **{key.public_id: f"Key {key.name}" for key in names},
    }


def scope_of(project: Project, subject_id: str) -> str:
    """Return what kind of thing an id from ``subjects_of`` names."""
    if subject_id == project.public_id:
        return BudgetScope.PROJECT
    return BudgetScope.ENDPOINT if subject_id.startswith("ep_") else BudgetScope.KEY


def _row(
    seat: Seat, standing: budgets.Standing, labels: dict[str, str], *, is_owner: bool
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
