"""Usage, in the admin console."""

from __future__ import annotations

from datetime import UTC, timedelta

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from common import clock
from common.admin import ReadOnlyAdmin
from common.money import money
from usage import reconcile
from usage.models import (
    Budget,
    BudgetNotice,
    PoisonEvent,
    RefusalRollup,
    RefusedCall,
    UsageRecord,
    UsageRollup,
)


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    """Every request of every project. Nobody changes these rows."""

    list_display = ["request_id", "started_at", "project", "endpoint", "model", "status"]
    list_display += [
        "ending",
        "tokens_in",
        "tokens_out",
        "costs",
        "source",
        "ttft_ms",
        "latency_ms",
    ]
    list_filter = ["started_at", "status", "ending", "source", "tier", "operation"]

    @admin.display(description="Cost", ordering="cost")
    def costs(self, record: UsageRecord) -> str:
        """Return the cost with its currency."""
        return money(record.cost)

    search_fields = ["request_id", "caller_request_id", "endpoint", "key_id", "project__slug"]
    list_select_related = ["project"]


@admin.register(PoisonEvent)
class PoisonEventAdmin(ReadOnlyAdmin):
    """Events that could not be understood: set aside, never dropped."""

    list_display = ["stream", "entry_id", "reason", "seen_at"]
    list_filter = ["stream", "seen_at"]
    search_fields = ["entry_id", "body", "reason"]


@admin.register(RefusalRollup)
class RefusalRollupAdmin(ReadOnlyAdmin):
    """How often what was refused, by minute, hour and day."""

    list_display = ["grain", "at", "project", "endpoint", "key_id", "code", "count"]
    list_filter = ["grain", "code", "at"]
    search_fields = ["project__slug", "endpoint", "key_id"]
    list_select_related = ["project"]


@admin.register(RefusedCall)
class RefusedCallAdmin(ReadOnlyAdmin):
    """The last refused requests of each project and code, by either id."""

    list_display = ["request_id", "at", "project", "endpoint", "key_id", "code", "message"]
    list_filter = ["code", "at"]
    search_fields = ["request_id", "caller_request_id", "project__slug", "key_id"]
    list_select_related = ["project"]


PERIODS_DAYS = (7, 31, 92)
ROWS_MAX = 500


@admin.register(UsageRollup)
class UsageRollupAdmin(ReadOnlyAdmin):
    """Derived sums: rebuilt with ``manage.py rollups``."""

    list_display = ["grain", "at", "project", "endpoint", "key_id", "model", "requests"]
    list_display += ["failures", "tokens_in", "tokens_out", "costs"]
    list_filter = ["grain", "at", "model"]

    @admin.display(description="Cost", ordering="cost")
    def costs(self, rollup: UsageRollup) -> str:
        """Return the cost with its currency."""
        return money(rollup.cost)

    search_fields = ["project__slug", "endpoint", "key_id"]
    list_select_related = ["project"]

    def get_urls(self) -> list[URLPattern]:
        """Add the page that compares the books, before any that takes a row's id."""
        view = self.admin_site.admin_view(self.books)
        urls: list[URLPattern] = super().get_urls()
        return [path("books/", view, name="usage_reconcile"), *urls]

    def books(self, request: HttpRequest) -> HttpResponse:
        """Show every project and day in all books, those that differ first."""
        asked = request.GET.get("days", "")
        span = int(asked) if asked in map(str, PERIODS_DAYS) else PERIODS_DAYS[0]
        today = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = [
            (day, list(day.differences()))
            for day in reconcile.days(today - timedelta(days=span - 1), today + timedelta(days=1))
        ]
        rows.sort(key=lambda row: (not row[1], -row[0].day.toordinal(), row[0].project))
        said = {
            **self.admin_site.each_context(request),
            "title": "Reconciliation",
            "periods": PERIODS_DAYS,
            "span": span,
            "rows": rows[:ROWS_MAX],
            "compared": len(rows),
            "differing": sum(bool(found) for _, found in rows),
        }
        return TemplateResponse(request, "admin/usage/books.html", said)


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    """What projects allow themselves a month."""

    list_display = ["public_id", "project", "scope", "subject_id", "ceiling", "is_enforced"]
    list_display += ["set_at", "ended_at"]
    list_filter = ["scope", "is_enforced"]

    @admin.display(description="Amount a month", ordering="amount")
    def ceiling(self, budget: Budget) -> str:
        """Return the amount with its currency."""
        return money(budget.amount)

    search_fields = ["project__slug", "subject_id", "public_id"]
    list_select_related = ["project"]


@admin.register(BudgetNotice)
class BudgetNoticeAdmin(ReadOnlyAdmin):
    """Which thresholds somebody was told of."""

    list_display = ["budget", "project", "month", "percent", "had_cost", "sent_at"]
    list_filter = ["percent", "month"]

    @admin.display(description="Spent", ordering="spent")
    def had_cost(self, notice: BudgetNotice) -> str:
        """Return what was spent with its currency."""
        return money(notice.spent)

    search_fields = ["project__slug", "budget__public_id"]
    list_select_related = ["project", "budget"]
