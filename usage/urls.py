"""Addresses of usage, below a project. Who may ask is said where they are mounted."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from usage.api import (
    Balance,
    BudgetDetail,
    BudgetList,
    UsageExport,
    UsageRecords,
    UsageSeries,
    UsageSummary,
)


def usage_urls(**options: Any) -> list[URLPattern]:
    """Return the addresses, with options for their views."""
    return [
        path("summary", UsageSummary.as_view(**options), name="usage-summary"),
        path("timeseries", UsageSeries.as_view(**options), name="usage-timeseries"),
        path("records", UsageRecords.as_view(**options), name="usage-records"),
        path("export", UsageExport.as_view(**options), name="usage-export"),
    ]


management = [
    path("balance", Balance.as_view(), name="management-balance"),
    path("budgets", BudgetList.as_view(), name="management-budgets"),
    path("budgets/<str:budget_id>", BudgetDetail.as_view(), name="management-budget"),
]
"""Addresses of the balance and of budgets in the management API."""
