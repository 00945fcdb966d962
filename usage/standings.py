"""How far budgets are used up this month. Every question names the project it asks about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Sum

from common import clock
from usage import rules, selectors
from usage.models import Budget, UsageRollup
from usage.rules import Grain

if TYPE_CHECKING:
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a budget is used up this month."""

    budget: Budget
    spent: int

    @property
    def percent(self) -> int:
        """Whole per cent, rounded down."""
        return self.spent * 100 // self.budget.amount


def standing_of(budget: Budget) -> Standing:
    """Return a budget with what it has cost this month."""
    return Standing(
        budget,
        selectors.cost_since(
            project=budget.project,
            since=rules.month_of(clock.now()),
            scope=budget.scope,
            subject_id=budget.subject_id,
        ),
    )


def standings(*, project: Project) -> list[Standing]:
    """Return a project's live budgets with what they have cost this month."""
    return standings_of(project=project, watched=selectors.budgets_of(project=project))


def standings_of(*, project: Project, watched: Iterable[Budget]) -> list[Standing]:
    """Return some of a project's budgets with what they have cost this month."""
    live = list(watched)
    spent = _spent_by(project, {budget.subject_id for budget in live})
    return [Standing(budget, spent.get(budget.subject_id, 0)) for budget in live]


def _spent_by(project: Project, subject_ids: Collection[str]) -> dict[str, int]:
    """Return what each of these has cost this month, in three sums however many there are."""
    month = rules.month_of(clock.now())
    rows = UsageRollup.objects.filter(project=project, grain=Grain.DAY, at__gte=month).order_by()
    found: dict[str, int] = {}
    for column in ("endpoint_id", "key_id"):
        mine = rows.filter(**{f"{column}__in": subject_ids})
        found.update(mine.values(column).annotate(all=Sum("cost")).values_list(column, "all"))
    if project.public_id in subject_ids:
        found[project.public_id] = selectors.cost_since(project=project, since=month)
    return found
