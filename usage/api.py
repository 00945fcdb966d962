"""The usage API: seat, parse, call, render."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys import selectors as apikeys
from common.rest import (
    ManagementView,
    Window,
    answered_once,
    as_list,
    check_match,
    etag_of,
    page_of,
    page_shape,
    parse,
)
from common.streaming import of_project, streamed
from endpoints import selectors as endpoints
from ledger.api import BalanceOut
from projects.access import Seat, seat_of
from projects.errors import RoleInsufficient
from projects.rules import Role
from usage import budgets, export, rules, selectors, standings
from usage.errors import BudgetMalformed, BudgetUnknown, UsageFilterMalformed
from usage.rules import Cursor
from usage.shapes import (
    BudgetIn,
    BudgetOut,
    BudgetPatch,
    ExportQuery,
    PointOut,
    RecordOut,
    RecordsQuery,
    SeriesQuery,
    SummaryOut,
    UsageQuery,
    filter_of,
)

if TYPE_CHECKING:
    from usage.models import Budget

SeriesShape = inline_serializer(
    "UsageSeries",
    {"object": serializers.ChoiceField(["list"]), "data": PointOut(many=True)},
)


class UsageSummary(ManagementView):
    """``/{project}/v1/usage/summary``."""

    queries = {"GET": UsageQuery}

    @extend_schema(
        operation_id="summarise_usage",
        tags=["usage"],
        parameters=[UsageQuery],
        responses=SummaryOut,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """Sum requests, tokens and cost over the records a filter means."""
        seat = seat_of(request, project_id)
        totals = selectors.totals(project=seat.project, wanted=filter_of(self.asked))
        return Response(SummaryOut(asdict(totals)).data)


class UsageSeries(ManagementView):
    """``/{project}/v1/usage/timeseries``."""

    queries = {"GET": SeriesQuery}

    @extend_schema(
        operation_id="series_of_usage",
        tags=["usage"],
        parameters=[SeriesQuery],
        responses=SeriesShape,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """Sum by minute, hour or day; steps without requests are absent."""
        seat = seat_of(request, project_id)
        points = selectors.series(
            project=seat.project, wanted=filter_of(self.asked), step=self.asked["step"]
        )
        return Response({"object": "list", "data": [PointOut(point).data for point in points]})


class UsageRecords(ManagementView):
    """``/{project}/v1/usage/records``."""

    queries = {"GET": RecordsQuery}

    @extend_schema(
        operation_id="list_usage_records",
        tags=["usage"],
        parameters=[RecordsQuery],
        responses=page_shape("UsageRecordPage", RecordOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List single requests, newest first."""
        seat = seat_of(request, project_id)
        rows, further = selectors.page(
            project=seat.project,
            wanted=filter_of(self.asked),
            after=_cursor(self.asked.get("after")),
            limit=self.asked["limit"],
        )
        return Response(
            as_list([RecordOut(row).data for row in rows], has_more=further is not None)
        )


class Balance(ManagementView):
    """``/{project}/v1/management/balance``."""

    @extend_schema(operation_id="get_balance", tags=["usage"], responses=BalanceOut)
    def get(self, request: Request, project_id: str) -> Response:
        """Show what was granted, what is spent and what is left."""
        seat = seat_of(request, project_id)
        return Response(BalanceOut(selectors.account_of(project=seat.project)).data)


class BudgetList(ManagementView):
    """``/{project}/v1/management/budgets``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_budgets",
        tags=["usage"],
        parameters=[Window],
        responses=page_shape("BudgetPage", BudgetOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's budgets with what this month has cost, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.budgets_of(project=seat.project)
        return Response(page_of(rows, self.asked, _budget_row))

    @extend_schema(
        operation_id="set_budget", tags=["usage"], request=BudgetIn, responses={201: BudgetOut}
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Set what something may cost in a UTC month. For owners, signed in."""
        seat = _purse(request, project_id)
        said = parse(BudgetIn, request)

        def work() -> Response:
            budget = budgets.open_budget(
                project=seat.project,
                scope=said["scope"],
                subject_id=_subject(seat, said["scope"], said.get("subject", "")),
                amount=said["amount"],
                is_enforced=said["enforced"],
                by=seat.actor,
            )
            return _shown_budget(budget, status=201)

        return answered_once(request, seat.actor, work)


class BudgetDetail(ManagementView):
    """``/{project}/v1/management/budgets/{id}``."""

    @extend_schema(operation_id="get_budget", tags=["usage"], responses=BudgetOut)
    def get(self, request: Request, project_id: str, budget_id: str) -> Response:
        """Show one budget."""
        return _shown_budget(_budget(seat_of(request, project_id), budget_id))

    @extend_schema(
        operation_id="change_budget", tags=["usage"], request=BudgetPatch, responses=BudgetOut
    )
    def patch(self, request: Request, project_id: str, budget_id: str) -> Response:
        """Change a budget's amount, or whether it is a ceiling. For owners, signed in."""
        seat = _purse(request, project_id)
        budget = _budget(seat, budget_id)
        check_match(request, etag_of(budget.version))
        said = parse(BudgetPatch, request)
        changed = budgets.change_budget(
            budget=budget,
            amount=said.get("amount"),
            is_enforced=said.get("enforced"),
            by=seat.actor,
        )
        return _shown_budget(changed)

    @extend_schema(operation_id="end_budget", tags=["usage"], request=None, responses={204: None})
    def delete(self, request: Request, project_id: str, budget_id: str) -> Response:
        """Lift a budget. For owners, signed in."""
        seat = _purse(request, project_id)
        budget = _budget(seat, budget_id)
        check_match(request, etag_of(budget.version), is_required=False)
        budgets.end_budget(budget=budget, by=seat.actor)
        return Response(status=204)


class UsageExport(ManagementView):
    """``/{project}/v1/usage/export``."""

    queries = {"GET": ExportQuery}

    @extend_schema(
        operation_id="export_usage",
        tags=["usage"],
        parameters=[ExportQuery],
        responses={
            (200, "application/jsonl"): OpenApiResponse(str, "One record a line"),
            (200, "text/csv"): OpenApiResponse(str, "A head line, then one record a line"),
        },
    )
    def get(self, request: Request, project_id: str) -> Any:
        """Stream every record a filter means, as CSV or JSON lines."""
        seat = seat_of(request, project_id)
        is_csv = self.asked["format"] == "csv"
        lines = export.csv_lines if is_csv else export.json_lines
        pieces = lines(project=seat.project, wanted=filter_of(self.asked))
        answer = streamed(
            request._request,  # noqa: SLF001 - which kind of server this is, only Django's own request knows
            of_project(seat.project.pk, seat.project.public_id, pieces),
            content_type="text/csv; charset=utf-8" if is_csv else "application/jsonl",
        )
        name = f"usage-{seat.project.slug}.{self.asked['format']}"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _purse(request: Request, project_id: str) -> Seat:
    """Return the seat of an owner: money is theirs alone. Raises ``RoleInsufficient``.

    A management key acts as an admin and may not either: admins could issue themselves one.
    """
    try:
        return seat_of(request, project_id, at_least=Role.OWNER)
    except RoleInsufficient as refusal:
        raise RoleInsufficient(
            "Budgets are money: only an owner who is signed in changes them, "
            "no admin and no management key."
        ) from refusal


def _budget(seat: Seat, budget_id: str) -> Budget:
    budget = selectors.budget_of(project=seat.project, public_id=budget_id)
    if budget is None:
        raise BudgetUnknown("This project has no such budget.")
    return budget


def _budget_row(budget: Budget) -> dict[str, Any]:
    row: dict[str, Any] = BudgetOut(standings.standing_of(budget)).data
    return row


def _shown_budget(budget: Budget, *, status: int = 200) -> Response:
    return Response(_budget_row(budget), status=status, headers={"ETag": etag_of(budget.version)})


def _subject(seat: Seat, scope: str, said: str) -> str:
    """Return whose budget it is; raises ``BudgetMalformed`` if the project has no such thing."""
    project = seat.project
    if scope == "project":
        found: object = said in ("", project.public_id)
    elif scope == "endpoint":
        found = said.startswith("ep_") and endpoints.endpoint_of(project=project, slug=said)
    else:
        found = apikeys.key_of(project=project, public_id=said)
    if not found:
        raise BudgetMalformed(f"This project has no such {scope}.", param="subject")
    return said or project.public_id


def _cursor(after: str | None) -> Cursor | None:
    if not after:
        return None
    try:
        return Cursor(rules.started_at(after), after)
    except ValueError as fault:
        raise UsageFilterMalformed("This is no id of a record.", param="after") from fault
