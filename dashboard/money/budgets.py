"""Budgets by page: listed, set, changed, lifted. Money is the owner's matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from common.problems import Problem
from dashboard.money.forms import BudgetForm
from dashboard.money.rows import (
    WHOLE,
    BudgetRow,
    budget_rows,
    found_budgets,
    labels_of,
    scope_of,
    subject_named,
)
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, may, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from dashboard.shell.lists import Finder, asked, part_of
from projects.rules import Role
from usage import budgets, selectors
from usage.errors import BudgetUnknown

if TYPE_CHECKING:
    from projects.access import Seat
    from usage.models import Budget


@dataclass(frozen=True, slots=True)
class BudgetList:
    """A part of a project's budgets, and how the list is asked for others."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    budgets: tuple[BudgetRow, ...]
    finder: Finder
    has_any: bool
    may_budget: bool


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """The form of a budget; ``end_url`` is empty for one that is not set yet."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    title: str
    form: BudgetForm
    cancel_url: str
    end_url: str
    names_url: str


@require_GET
@project_page()
def budget_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the budgets with what this month has cost, newest first."""
    project = seat.project
    finder = asked(request, _back(seat), "Search by endpoint, key or id")
    rows, finder = part_of(found_budgets(project=project, query=finder.query), request, finder)
    context = BudgetList(
        shell=shell_for(seat, "settings"),
        crumbs=_crumbs(seat)[:-1],
        budgets=budget_rows(seat, rows),
        finder=finder,
        has_any=bool(rows) or selectors.budgets_of(project=project).exists(),
        may_budget=may(seat, Role.OWNER),
    )
    return show(request, "dashboard/money/budgets.html", context)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def new_budget(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask what may cost how much in a month."""
    form = BudgetForm(_sent(request), subject=WHOLE)
    if form.is_valid():
        _check_free(seat, form)
    return _asked(request, seat, form, "Set a budget", "")


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def change_budget(request: HttpRequest, seat: Seat, budget_id: str) -> HttpResponse:
    """Change how much something may cost; what it is for stays."""
    budget = _budget(seat, budget_id)
    labels = labels_of(seat.project, [budget.subject_id])
    name = labels.get(budget.subject_id, budget.subject_id)
    form = BudgetForm(_sent(request), subject=name, budget=budget)
    end_url = reverse("project:end-budget", args=[seat.project.public_id, budget.public_id])
    if form.is_valid():
        form.cleaned_data["subject_id"] = budget.subject_id
    return _asked(request, seat, form, "Change the budget", end_url)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def end(request: HttpRequest, seat: Seat, budget_id: str) -> HttpResponse:
    """Ask once, then lift a budget."""
    budget = _budget(seat, budget_id)
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "settings"),
            crumbs=_crumbs(seat),
            title="Lift the budget",
            will="Nobody is told of its thresholds any more, and nothing is refused because of it.",
            stays="What was used and charged stays.",
            button="Lift budget",
            action=reverse("project:end-budget", args=[seat.project.public_id, budget.public_id]),
            cancel_url=_back(seat),
        )
        return confirm(request, question)
    budgets.end_budget(budget=budget, by=seat.actor)
    messages.success(request, "The budget is lifted.")
    return redirect(_back(seat))


def _asked(
    request: HttpRequest, seat: Seat, form: BudgetForm, title: str, end_url: str
) -> HttpResponse:
    if form.is_valid():
        try:
            _set(seat, form)
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, "The budget is set.")
            return redirect(_back(seat))
    context = BudgetPage(
        shell=shell_for(seat, "settings"),
        crumbs=_crumbs(seat),
        title=title,
        form=form,
        cancel_url=_back(seat),
        end_url=end_url,
        names_url="" if end_url else reverse("project:names", args=[seat.project.public_id]),
    )
    status = HTTP_UNPROCESSABLE if form.is_bound else 200
    return show(request, "dashboard/money/budget.html", context, status=status)


def _check_free(seat: Seat, form: BudgetForm) -> None:
    """Put the id of what was named in its place; say beside the field if there is no such thing."""
    said = form.cleaned_data["subject_id"].strip()
    found = subject_named(seat.project, said)
    if not found:
        form.add_error("subject_id", f"This project has no endpoint and no live key “{said}”.")
    elif selectors.budgets_of(project=seat.project).filter(subject_id=found).exists():
        form.add_error("subject_id", "There is a budget for this already: change that one.")
    else:
        form.cleaned_data["subject_id"] = found


def _set(seat: Seat, form: BudgetForm) -> None:
    said = form.cleaned_data
    budgets.set_budget(
        project=seat.project,
        scope=scope_of(seat.project, said["subject_id"]),
        subject_id=said["subject_id"],
        amount=form.micro(),
        is_enforced=said["is_enforced"],
        by=seat.actor,
    )


def _budget(seat: Seat, public_id: str) -> Budget:
    budget = selectors.budget_of(project=seat.project, public_id=public_id)
    if budget is None:
        raise BudgetUnknown("This project has no such budget.")
    return budget


def _crumbs(seat: Seat) -> tuple[Crumb, ...]:
    args = [seat.project.public_id]
    return crumbs_to(
        seat,
        ("Settings", reverse("project:settings", args=args)),
        ("Billing", reverse("project:billing", args=args)),
        ("Budgets", _back(seat)),
    )


def _sent(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _back(seat: Seat) -> str:
    return reverse("project:budgets", args=[seat.project.public_id])
