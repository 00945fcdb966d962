"""A project's money: what is left, its budgets, and every movement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from common import clock
from dashboard.money.rows import BudgetRow, fullest_budgets
from dashboard.shell.contexts import Chip, Crumb, Shell, crumbs_to, may, shell_for, tabs_of_settings
from dashboard.shell.door import project_page, show
from ledger import selectors
from projects.rules import Role
from usage import live, rules
from usage import selectors as usage

if TYPE_CHECKING:
    from ledger.models import LedgerEntry
    from projects.access import Seat

PAGE = 50
LONGEST = 18
"""Digits that surely fit the ledger's key."""


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One entry of the ledger."""

    at: datetime
    kind: str
    amount: int
    request_id: str
    note: str
    written_by: str


@dataclass(frozen=True, slots=True)
class Billing:
    """Where a project's money stands."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    balance: int
    granted: int
    spent: int
    month: datetime
    spent_this_month: int
    allowances: tuple[live.Allowance, ...]
    budgets: tuple[BudgetRow, ...]
    may_budget: bool
    views: tuple[Chip, ...]
    movements: tuple[MovementRow, ...]
    more_url: str


@require_GET
@project_page()
def billing(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the balance, the budgets and the ledger, newest entry first."""
    project = seat.project
    account = usage.account_of(project=project)
    month = rules.month_of(clock.now())
    base = reverse("project:billing", args=[project.public_id])
    is_all = request.GET.get("show") == "all"
    found, more = _movements(seat, request.GET.get("before", ""), is_all=is_all)
    kept = {"show": "all"} if is_all else {}
    context = Billing(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_settings(seat, "billing"),
        balance=account.balance,
        granted=account.granted,
        spent=account.spent,
        month=month,
        spent_this_month=usage.cost_since(project=project, since=month),
        allowances=tuple(live.allowances(project=project)),
        budgets=fullest_budgets(seat),
        may_budget=may(seat, Role.OWNER),
        views=(
            Chip("Credit", base, is_current=not is_all),
            Chip("All entries", f"{base}?show=all", is_current=is_all),
        ),
        movements=found,
        more_url=f"{base}?{urlencode({**kept, 'before': more})}" if more else "",
    )
    return show(request, "dashboard/money/billing.html", context)


def _movements(seat: Seat, before: str, *, is_all: bool) -> tuple[tuple[MovementRow, ...], int]:
    """Return one page of entries, and the id the next begins below (0 on the last page)."""
    chosen = selectors.entries_of if is_all else selectors.movements_of
    rows = chosen(project=seat.project)
    if before.isascii() and before.isdigit() and len(before) <= LONGEST:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: PAGE + 1])
    more = found[PAGE - 1].pk if len(found) > PAGE else 0
    return tuple(_row(entry) for entry in found[:PAGE]), more


def _row(entry: LedgerEntry) -> MovementRow:
    return MovementRow(
        at=entry.at,
        kind=entry.get_kind_display(),
        amount=entry.amount,
        request_id=entry.request_id,
        note=entry.note,
        written_by=entry.written_by,
    )
