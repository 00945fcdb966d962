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
    if "region" in changes:
        yield "endpoint.region_changed", {"region": changes["region"]}
    if "fallback" in changes:
        yield "endpoint.fallback_changed", {"fallback": str(changes["fallback"] or "")}


def fault_in_fallback(*, is_self_hosted: bool, to_self_hosted: bool, to_allowance: bool) -> str:
    """Say why an endpoint can't fall back to a tier; empty if it can.

    ``is_self_hosted``: of the endpoint's own tier. ``to_…``: of the tier it would fall back to;
    ``to_allowance`` where that gives so many tokens a month and no more.
    """
    if not is_self_hosted:
        return (
            "Only an endpoint on machines of the project's own can fall back to those of the "
            "platform. This one is served by them already."
        )
    if to_self_hosted:
        return "Choose a tier that the platform's machines serve: this one needs your own."
    if to_allowance:
        return (
            "A tier with a monthly allowance is nobody's second choice: the allowance is one a "
            "person. Choose a tier with a price."
        )
    return ""


# ── What the world says of an endpoint ─────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Live:
    """Whether an endpoint would answer now, in a word for programs and a sentence for people."""

    word: str
    sentence: str
    is_on_fallback: bool = False


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
    region: str = ""
    fallback: str = ""
    """The name of the tier that serves it now in place of machines of the project's own."""


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
            f"No machine serves its model on its tier {_where(facts)}now: requests are refused.",
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
    if found is not None:
        return Live(*found)
    return Live(SERVING, _serving(facts), is_on_fallback=bool(facts.fallback))


def _where(facts: Facts) -> str:
    return f"in region “{facts.region}” " if facts.region else ""


def _serving(facts: Facts) -> str:
    if facts.fallback:
        return (
            f"None of your machines serves it now: requests go to {facts.fallback}, at its price."
        )
    return "It answers requests."


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
