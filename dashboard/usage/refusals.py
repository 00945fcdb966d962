"""Refused requests as pages show them: how many of what, why, and what one can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from usage import refused

if TYPE_CHECKING:
    from dashboard.shell import charts
    from projects.models import Project
    from usage.models import RefusedCall
    from usage.refused import Count
    from usage.selectors import Filter

_SAID: dict[str, tuple[str, str]] = {
    "rate_limit_exceeded": ("rate limit", "Send fewer at once, or wait as Retry-After says."),
    "quota_exceeded": ("quota or allowance", "Raise the key’s quota, or move to another tier."),
    "insufficient_balance": ("no balance", "Ask for credit: the balance does not cover it."),
    "budget_exceeded": ("budget", "Raise the budget, or wait for the next month."),
    "capacity_exceeded": ("machines full", "Try again in a moment."),
    "invalid_api_key": ("key", "Check the key: mistyped, expired, revoked or of nobody."),
    "ip_not_allowed": ("address", "Add the caller’s address to the key’s rules."),
    "scope_insufficient": ("scope", "Use a key with the scope “inference”."),
    "endpoint_not_allowed": ("pinned key", "The key is for another endpoint."),
    "cross_project_access": ("other project", "The key is of this project, the URL of another."),
    "project_suspended": ("suspended", "Ask the operator of the platform."),
    "endpoint_inactive": ("not serving", "Resume the endpoint, or wait for a machine."),
    "endpoint_not_found": ("unknown endpoint", "Check the endpoint’s slug in the URL."),
    "model_not_found": ("unknown model", "Ask for the model that the endpoint serves."),
    "operation_not_supported": ("operation", "The endpoint’s model can’t do this."),
    "request_too_large": ("too large", "Send less at once."),
    "service_unavailable": ("platform", "Our fault: try again in a moment."),
}
_ELSE = "The message says what is wrong with the request."


@dataclass(frozen=True, slots=True)
class Cause:
    """One code: how often, in a few words, and what to do."""

    code: str
    word: str
    count: int
    advice: str


@dataclass(frozen=True, slots=True)
class Refused:
    """All refusals of a range."""

    total: int
    causes: tuple[Cause, ...]

    @property
    def sentence(self) -> str:
        """Say it in a line: ``12 refused: 6 rate limit, 4 address, 2 other``."""
        named = ", ".join(f"{cause.count:,} {cause.word}" for cause in self.causes)
        return f"{self.total:,} refused: {named}"


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One refused request."""

    request_id: str
    caller_request_id: str
    at: datetime
    endpoint: str
    key: str
    code: str
    status: int
    message: str


def refused_of(counts: Sequence[Count]) -> Refused:
    """Lay out counts by code."""
    causes = tuple(
        Cause(one.code, word_of(one.code), one.count, _SAID.get(one.code, ("", _ELSE))[1])
        for one in counts
    )
    return Refused(sum(cause.count for cause in causes), causes)


def word_of(code: str) -> str:
    """Return a code in a word or two."""
    return _SAID.get(code, (code.replace("_", " "), ""))[0]


def refused_row(call: RefusedCall, key_names: Mapping[str, str]) -> RefusedRow:
    """Lay out one; a key that is not ours to name keeps its id."""
    return RefusedRow(
        request_id=call.request_id,
        caller_request_id=call.caller_request_id,
        at=call.at,
        endpoint=call.endpoint,
        key=key_names.get(call.key_id, call.key_id),
        code=call.code,
        status=call.status,
        message=call.message,
    )


def refused_by_step(project: Project, wanted: Filter, choice: charts.Range) -> dict[datetime, int]:
    """Return how many requests were refused in each step of a range."""
    counted: dict[datetime, int] = {}
    for point in refused.series(project=project, wanted=wanted, step=choice.step):
        counted[point.at] = counted.get(point.at, 0) + point.count
    return counted
