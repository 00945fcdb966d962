"""What can go wrong with usage and budgets."""

from __future__ import annotations

from common.problems import Problem


class BudgetMalformed(Problem):
    """A budget that could not be kept."""

    code = "budget_malformed"


class BudgetUnknown(Problem):
    """The project has no such budget."""

    code = "budget_not_found"
    status = 404


class BudgetTaken(Problem):
    """There is a budget for this already."""

    code = "budget_taken"
    status = 409


class UsageFilterMalformed(Problem):
    """A filter that names no time, grain or cursor there could be."""

    code = "usage_filter_malformed"


class RequestUnknown(Problem):
    """The project made no such request, or its record is gone."""

    code = "request_not_found"
    status = 404
