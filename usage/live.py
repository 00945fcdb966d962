"""How a project's endpoints stand: workers, money and allowances put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from django.db.models import F, Sum

from agents import selectors as agents
from catalog import selectors as catalog
from common import clock
from common.money import money
from endpoints import selectors as endpoints
from endpoints.allowance import is_held
from endpoints.rules import Facts, Live, live_of
from usage import rules, selectors, standings
from usage.models import UsageRecord

if TYPE_CHECKING:
    from catalog.models import TierTerms
    from endpoints.models import Endpoint
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class Allowance:
    """Tokens of a tier that a project may use in a UTC month, and those it has used."""

    tier: str
    used: int
    limit: int

    @property
    def is_used(self) -> bool:
        """Say whether nothing is left of it."""
        return self.used >= self.limit

    @property
    def percent(self) -> int:
        """Whole per cent, rounded down; never more than all of it."""
        return min(100, self.used * 100 // max(self.limit, 1))


def allowances(*, project: Project) -> list[Allowance]:
    """Return the allowances of the tiers that a project's endpoints are on."""
    rows = list(endpoints.one_a_tier(project=project))
    return list(_allowances(project, rows, _terms(rows)).values())


def allowance_of(*, project: Project, endpoint: Endpoint) -> list[Allowance]:
    """Return the allowance of the tier that an endpoint is on, if that gives one."""
    return list(_allowances(project, [endpoint], _terms([endpoint])).values())


def states_of(project: Project, rows: Sequence[Endpoint]) -> Mapping[int, Live]:
    """Return how each endpoint stands now, by primary key."""
    now, terms = clock.now(), _terms(rows)
    suspension = project.suspension_reason if project.is_suspended(now) else ""
    balance = selectors.account_of(project=project).balance
    shut = _spent_budgets(project, [row.public_id for row in rows])
    allowed = _allowances(project, rows, terms)
    is_served = cache(lambda wish: bool(agents.live_workers(wish)))

    def facts(row: Endpoint) -> Facts:
        allowance = allowed.get(row.tier_id)
        is_on_own = is_served(endpoints.wish_of(row))
        fallback = row.fallback if not is_on_own else None
        if fallback and not is_served(endpoints.wish_of(row, of_fallback=True)):
            fallback = None
        return Facts(
            state=row.state,
            suspension=suspension,
            has_worker=is_on_own or fallback is not None,
            region=row.region,
            fallback=fallback.name if fallback else "",
            is_paid=terms[fallback.pk if fallback else row.tier_id].price_per_million > 0,
            is_broke=balance <= 0,
            balance=money(balance),
            spent_budget=shut.get(project.public_id) or shut.get(row.public_id, ""),
            used_allowance=_said(allowance) if allowance and allowance.is_used else "",
        )

    return {row.pk: live_of(facts(row)) for row in rows}


def _said(allowance: Allowance) -> str:
    if not allowance.limit:
        return "The free allowance is with another project of its owner: requests are refused."
    return (
        f"This month's {allowance.limit:,} tokens of the tier are used up: requests are refused "
        "until the month ends."
    )


def _terms(rows: Sequence[Endpoint]) -> dict[int, TierTerms]:
    now = clock.now()
    own = {row.tier_id: row.tier for row in rows}
    others = {row.fallback.pk: row.fallback for row in rows if row.fallback}
    return {pk: catalog.terms_at(tier, now) for pk, tier in (own | others).items()}


def _allowances(
    project: Project, rows: Sequence[Endpoint], terms: Mapping[int, TierTerms]
) -> dict[int, Allowance]:
    tiers = {row.tier_id: row.tier for row in rows}
    others = endpoints.overrides_of(project=project, moment=clock.now())
    raised = endpoints.limits_over(row for row in others if row.endpoint_id is None)
    limits = {pk: one.monthly_tokens for pk, one in terms.items()}
    since = rules.month_of(clock.now())
    return {
        pk: Allowance(
            tiers[pk].name,
            _used(project, tiers[pk].slug, since),
            raised.get("monthly_tokens", limit if is_held(project=project, tier=tiers[pk]) else 0),
        )
        for pk, limit in limits.items()
        if limit is not None and pk in tiers
    }


def _used(project: Project, tier: str, since: object) -> int:
    rows = UsageRecord.objects.filter(project=project, tier=tier, started_at__gte=since)
    used: int = rows.aggregate(all=Sum(F("tokens_in") + F("tokens_out"), default=0))["all"]
    return used


def _spent_budgets(project: Project, endpoint_ids: Sequence[str]) -> dict[str, str]:
    """Return the ceilings of the project and of these endpoints that are reached, by whose."""
    watched = selectors.budgets_of(project=project).filter(
        is_enforced=True, subject_id__in=[project.public_id, *endpoint_ids]
    )
    return {
        standing.budget.subject_id: f"A budget of {money(standing.budget.amount)}"
        for standing in standings.standings_of(project=project, watched=watched)
        if standing.spent >= standing.budget.amount
    }
