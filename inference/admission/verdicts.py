"""Verdicts: what the admission functions answer, in the public words for it."""

from __future__ import annotations

from typing import Any, Final

from inference.admission.key_limits import KEY_LIMITS
from inference.admission.ports import RateLimits, Verdict
from inference.contracts.bursts import requests_at_once, tokens_at_once
from inference.contracts.entries import Grant, Route, Terms

SECONDS: Final = 60

ADMITTED: Final = b"admitted"
RENEWED: Final = b"renewed"
UNKNOWN: Final = b"unknown"
REAPED: Final = b"reaped"
UNRESTORED: Final = b"unrestored"

RATE, QUOTA, BUDGET, BALANCE, UNAVAILABLE = (
    "rate_limit_exceeded",
    "quota_exceeded",
    "budget_exceeded",
    "insufficient_balance",
    "service_unavailable",
)
CODES: Final = {
    b"requests": RATE,
    b"tokens": RATE,
    b"concurrency": RATE,
    b"allowance": QUOTA,
    b"budget": BUDGET,
    b"balance": BALANCE,
    **{limit.word: limit.code for limit in KEY_LIMITS},
}
_OF_KEYS: Final = {limit.word: limit for limit in KEY_LIMITS}

AWAY: Final = Verdict(
    allowed=False,
    code=UNAVAILABLE,
    message="Limits can't be checked right now. Please try again.",
    retry_after_s=2.0,
)
UNMETERED: Final = Verdict(
    allowed=False,
    code=UNAVAILABLE,
    message="Usage can't be recorded right now. Please try again.",
    retry_after_s=5.0,
)


def limits_of(reply: list[Any], route: Route) -> RateLimits:
    """Read what is left from an answer of ``admit``."""
    terms = route.terms
    return RateLimits(
        terms.requests_per_min,
        reply[1],
        reply[2] / 1e6,
        terms.tokens_per_min,
        reply[3],
        reply[4] / 1e6,
    )


def refusal(
    word: bytes, grant: Grant, route: Route, wait_us: int = 0, limits: RateLimits | None = None
) -> Verdict:
    """Say why a request is refused. A word that is not a limit's is our own fault."""
    code = CODES.get(word)
    if code is None:
        return AWAY
    wait_s = wait_us / 1e6 if wait_us and word != b"balance" else None
    return Verdict(False, code, _message(word, grant, route), wait_s, limits)


def _of_requests(terms: Terms) -> str:
    a_minute = terms.requests_per_min or 0
    at_once = requests_at_once(terms.tier, a_minute)
    return (
        f"This endpoint takes {a_minute} requests a minute: {at_once} at once, all of them used, "
        f"then {_refill(a_minute)}."
    )


def _of_tokens(terms: Terms) -> str:
    a_minute = terms.tokens_per_min or 0
    return (
        f"This endpoint takes {a_minute} tokens a minute: {tokens_at_once(a_minute)} at once, "
        f"then {_refill(a_minute)}. Fewer are left than this request asks for."
    )


def _refill(a_minute: int) -> str:
    """Say how fast a bucket fills: ``1.1 a second``, ``one every 20 seconds``."""
    if a_minute >= SECONDS:
        return f"{a_minute / SECONDS:.3g} a second"
    return f"one every {SECONDS / max(a_minute, 1):.3g} seconds"


def _message(word: bytes, grant: Grant, route: Route) -> str:
    of_key = _OF_KEYS.get(word)
    return _of_terms(word, route.terms) if of_key is None else of_key.sentence(grant)


def _of_terms(word: bytes, terms: Terms) -> str:
    return {
        b"requests": _of_requests(terms),
        b"tokens": _of_tokens(terms),
        b"concurrency": f"This endpoint serves {terms.concurrent} concurrent requests at most.",
        b"allowance": f"The project's monthly allowance of {terms.monthly_tokens} tokens "
        "does not cover this request.",
        b"budget": "A monthly budget does not cover this request.",
        b"balance": "The project's balance does not cover this request.",
    }[word]
