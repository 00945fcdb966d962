"""What an endpoint's slug may look like, and how its changes are told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
MAX_LENGTH = 63
RESERVED = frozenset({"v1", "new"})
"""Words that would collide: with a project's resources under ``/{project}/v1/…``, and with
the page that makes an endpoint."""


_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda slug: not slug, "Give the endpoint a slug."),
    (lambda slug: len(slug) > MAX_LENGTH, f"Use at most {MAX_LENGTH} characters."),
    (lambda slug: slug in RESERVED, "This word is reserved; choose another."),
    (lambda slug: slug != slug.lower(), "Use lower-case letters only."),
    (
        lambda slug: re.search(r"[^a-z0-9-]", slug) is not None,
        "Use only letters a–z, digits and hyphens.",
    ),
    (
        lambda slug: slug.startswith("-") or slug.endswith("-"),
        "Start and end with a letter or a digit.",
    ),
)


def fault_in_slug(slug: str) -> str | None:
    """Say what is wrong with a slug, in words for the person typing it; none if it is fine."""
    return next((message for is_faulty, message in _FAULTS if is_faulty(slug)), None)


def slug_from(words: str) -> str:
    """Return the slug nearest to what somebody typed; empty if nothing of it could stand in one."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:MAX_LENGTH].rstrip("-")
    return "" if slug in RESERVED else slug


_STATE_ACTIONS = {
    "paused": "endpoint.paused",
    "active": "endpoint.resumed",
    "retired": "endpoint.retired",
}


def told(changes: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what the audit log is told of a change: an action, and what is so afterwards."""
    if "state" in changes:
        yield _STATE_ACTIONS[str(changes["state"])], {}
    if "tier" in changes:
        yield "endpoint.moved_to_tier", {"tier": str(changes["tier"])}


# ── What the world says of an endpoint ─────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Live:
    """Whether an endpoint would answer now, in a word for programs and a sentence for people."""

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides that. Money and tokens are said as people read them."""

    state: str
    suspension: str
    has_worker: bool
    is_paid: bool
    is_broke: bool
    balance: str
    spent_budget: str
    used_allowance: str


SERVING = "serving"
LIVE_WORDS = (
    SERVING,
    "no_worker",
    "no_balance",
    "over_budget",
    "allowance_used",
    "paused",
    "suspended",
    "retired",
)


def live_of(facts: Facts) -> Live:
    """Say how an endpoint stands: what stops most comes first."""
    stops = (
        (facts.state == "retired", "retired", "It was retired for good."),
        (bool(facts.suspension), "suspended", f"The project is suspended: {facts.suspension}"),
        (facts.state == "paused", "paused", "It is paused: requests are refused."),
        (
            not facts.has_worker,
            "no_worker",
            "No machine serves its model on its tier now: requests are refused.",
        ),
        (
            facts.is_paid and facts.is_broke,
            "no_balance",
            f"The balance is {facts.balance}: requests are refused until credit is added.",
        ),
        (
            facts.is_paid and bool(facts.spent_budget),
            "over_budget",
            f"{facts.spent_budget} is used up: requests are refused until the month ends.",
        ),
        (
            bool(facts.used_allowance),
            "allowance_used",
            facts.used_allowance,
        ),
    )
    found = next(((word, sentence) for is_so, word, sentence in stops if is_so), None)
    return Live(*(found or (SERVING, "It answers requests.")))


# ── Limits that are not the tier's ─────────────────────────────────────────────────────

LIMITS = {
    "requests_per_min": "requests a minute",
    "tokens_per_min": "tokens a minute",
    "concurrent": "running at once",
    "monthly_tokens": "tokens a month",
    "request_timeout_s": "seconds for an answer",
    "idle_timeout_s": "seconds of silence in a stream",
}
"""What an override may change, and in which words."""


def limits_in_force(overrides: Iterable[Mapping[str, int | None]]) -> dict[str, int]:
    """Return what is another than the tier's; later ones win, limit by limit."""
    found: dict[str, int] = {}
    for override in overrides:
        found |= {name: value for name in LIMITS if (value := override[name]) is not None}
    return found


def override_said(limits: Mapping[str, Any], reason: str, ends_at: datetime | None) -> str:
    """Say an override in a sentence: ``500 requests a minute until 1 January 2027: a launch``."""
    said = ", ".join(
        f"{limits[name]:,} {words}" for name, words in LIMITS.items() if limits[name] is not None
    )
    until = f" until {ends_at.day} {ends_at:%B %Y, %H:%M} UTC" if ends_at else ""
    return f"{said}{until}: {reason}"
