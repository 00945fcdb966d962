"""The console's page of tenants: who they are, how they stand, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from common import clock
from common.admin import operator
from common.problems import Problem
from endpoints import live, selectors
from endpoints.models import LimitOverride
from endpoints.rules import override_said
from ledger.models import LedgerEntry
from projects.models import Membership, Project
from projects.rules import Role
from usage import refused, rules, standings
from usage import selectors as usage
from usage.models import RefusalRollup, RefusedCall, UsageRecord, UsageRollup
from usage.rules import Grain
from xerotier_site.tenant_forms import FORMS, PERSONAL, carry_out

PAGE = 50
SORTS = {
    "newest": "-created_at",
    "slug": "slug",
    "balance": "balance",
    "spend": "-spent",
    "requests": "-asked",
    "refused": "-refused",
    "seen": "-seen",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A request that a search by id found, and whose it is."""

    request_id: str
    project: Project
    at: datetime
    said: str


@admin.site.admin_view
@require_GET
def tenant_list(request: HttpRequest) -> HttpResponse:
    """List projects with owner, money and traffic; find them by name, owner or request id."""
    asked = request.GET.get("q", "").strip()[:254]
    sort = request.GET.get("sort", "")
    found = _requests(asked)
    rows = _measured(_named(asked, found)).order_by(SORTS.get(sort, SORTS["newest"]), "-pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return _page(
        request,
        "admin/tenants.html",
        {"title": "Tenants", "page": page, "q": asked, "sort": sort, "sorts": SORTS}
        | {"found": found},
    )


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
def tenant(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show one tenant, and do what an operator asks for."""
    project = Project.objects.filter(public_id=public_id).first()
    if project is None:
        raise Http404
    forms = {name: make(prefix=name) for name, make in FORMS.items()}
    wanted = request.POST.get("act", "")
    if request.method == "POST" and wanted in FORMS:
        forms[wanted] = FORMS[wanted](request.POST, prefix=wanted)
        if forms[wanted].is_valid() and _done(request, project, wanted, forms[wanted]):
            return redirect("tenant", public_id)
    return _page(request, "admin/tenant.html", {"forms": forms, **_facts(project)})


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
def suspend_person(request: HttpRequest, user_id: int) -> HttpResponse:
    """Shut a person out, or let them in again."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Http404
    forms = {name: FORMS[name](prefix=name) for name in PERSONAL}
    wanted = request.POST.get("act", "")
    if request.method == "POST" and wanted in PERSONAL:
        forms[wanted] = FORMS[wanted](request.POST, prefix=wanted)
        if forms[wanted].is_valid() and _done(request, user, wanted, forms[wanted]):
            return redirect("suspend-person", user_id)
    title = f"Suspend {user.email}"
    return _page(
        request, "admin/suspend_person.html", {"title": title, "person": user, "forms": forms}
    )


def _done(request: HttpRequest, whom: Project | User, act: str, form: Any) -> bool:
    try:
        said = carry_out(act, whom, form.cleaned_data, operator(request))
    except Problem as problem:
        field = problem.param if problem.param in form.fields else None
        form.add_error(field, problem.message)
        return False
    messages.success(request, said)
    return True


def _facts(project: Project) -> dict[str, Any]:
    now = clock.now()
    rows = list(selectors.endpoints_of(project=project))
    states = live.states_of(project, rows)
    overrides = selectors.overrides_of(project=project, moment=now)
    week = usage.Filter(since=now - timedelta(days=7))
    return {
        "title": project.name,
        "project": project,
        "is_suspended": project.is_suspended(now),
        "measured": _measured(Project.objects.filter(pk=project.pk)).get(),
        "members": Membership.objects.filter(project=project).select_related("user"),
        "endpoints": [(row, states[row.pk]) for row in rows],
        "budgets": standings.standings(project=project),
        "overrides": [(row, _said(row)) for row in overrides],
        "refusals": refused.counts(project=project, wanted=week),
        "latest": refused.latest(project=project, wanted=week, limit=10),
    }


def _said(row: LimitOverride) -> str:
    return override_said(vars(row), row.reason, row.ends_at)


def _requests(asked: str) -> list[Found]:
    """Return the requests with this id, ours or a caller's, of whomever they are."""
    if not asked or "@" in asked:
        return []
    records = UsageRecord.objects.filter(rules.named(asked)).select_related("project")
    refusals = RefusedCall.objects.filter(
        Q(request_id=asked) | Q(caller_request_id=asked)
    ).select_related("project")
    return [
        *(
            Found(r.request_id, r.project, r.started_at, f"{r.status} {r.ending}")
            for r in records[:20]
        ),
        *(
            Found(r.request_id, r.project, r.at, f"refused: {r.code}. {r.message}")
            for r in refusals[:20]
        ),
    ]


def _named(asked: str, found: list[Found]) -> QuerySet[Project]:
    rows = Project.objects.all()
    if not asked:
        return rows
    if found:
        return rows.filter(pk__in={one.project.pk for one in found})
    mine = Membership.objects.filter(user__email__icontains=asked, role=Role.OWNER)
    return rows.filter(
        Q(slug__icontains=asked)
        | Q(name__icontains=asked)
        | Q(public_id=asked)
        | Q(pk__in=mine.values("project"))
    )


def _measured(rows: QuerySet[Project]) -> QuerySet[Project]:
    """Add owner, money and traffic to projects: each figure one look into an index or a sum."""
    month = rules.month_of(clock.now())
    days = UsageRollup.objects.filter(project=OuterRef("pk"), grain=Grain.DAY)
    this_month = days.filter(at__gte=month).order_by().values("project")
    refusals = RefusalRollup.objects.filter(
        project=OuterRef("pk"), grain=Grain.DAY, at__gte=month
    ).order_by()
    money = LedgerEntry.objects.filter(project=OuterRef("pk")).order_by().values("project")
    owner = Membership.objects.filter(project=OuterRef("pk"), role=Role.OWNER).order_by("since")
    return rows.annotate(
        owner=Subquery(owner.values("user__email")[:1]),
        balance=Coalesce(Subquery(money.annotate(all=Sum("amount")).values("all")), 0),
        spent=Coalesce(Subquery(this_month.annotate(all=Sum("cost")).values("all")), 0),
        asked=Coalesce(Subquery(this_month.annotate(all=Sum("requests")).values("all")), 0),
        refused=Coalesce(
            Subquery(refusals.values("project").annotate(all=Sum("count")).values("all")), 0
        ),
        seen=Subquery(days.order_by("-at").values("at")[:1]),
    )


def _page(request: HttpRequest, template: str, said: dict[str, Any]) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), **said})
