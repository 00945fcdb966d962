"""How much a request is taken to use, and how much it holds: pure arithmetic.

Money is held in slices. A stream holds its prompt and ``SLICE_TOKENS`` a choice, and renews;
any other answer can't be ended half-way, so it holds all that it may use. Tokens a minute
reserve the first slice of either: an estimate that is corrected when the request ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from inference.admission.ports import Ask
from inference.body.room import SLICE_TOKENS, TOKENS_MAX, longest_answer
from inference.contracts.bursts import requests_at_once, tokens_at_once
from inference.contracts.entries import Terms
from inference.contracts.money import cost_of

MINUTE_US: Final = 60_000_000


@dataclass(init=False)
class Plan:
    """What one request is expected to use and what it holds, in tokens and micro-units.

    ``est_*`` is charged if its gateway is never heard of again. ``covered`` is the number of
    tokens up to which nothing need be renewed (none: all); ``step`` is a renewal's. ``held``
    is how many were put aside at first, be there a price or not.
    """

    est_in: int
    est_out: int
    est_money: int
    hold_tokens: int
    hold_money: int
    covered: int | None
    step: int
    held: int = field(compare=False)

    def __init__(  # noqa: PLR0913, PLR0917 - spelled out: made for each request, and compiled
        self,
        est_in: int,
        est_out: int,
        est_money: int,
        hold_tokens: int,
        hold_money: int,
        covered: int | None,
        step: int,
        held: int = 0,
    ) -> None:
        self.est_in = est_in
        self.est_out = est_out
        self.est_money = est_money
        self.hold_tokens = hold_tokens
        self.hold_money = hold_money
        self.covered = covered
        self.step = step
        self.held = held


def price(terms: Terms, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> int:
    """Return what so many tokens cost on these terms."""
    if not terms.price_per_million:
        return 0
    return cost_of(
        tokens_in,
        tokens_out,
        tokens_cached,
        price_per_million=terms.price_per_million,
        cached_percent=terms.cached_percent,
    )


def plan_of(ask: Ask) -> Plan:
    """Say what a request is to hold. What the caller asks for has no bound; what is packed has."""
    route, prompt = ask.route, ask.prompt_tokens
    terms = route.terms
    each = longest_answer(route, prompt, ask.limit_tokens, ask.n)
    whole = each if route.task == "generate" else 0
    first = min(whole, SLICE_TOKENS)
    est_out = min(ask.n * first, TOKENS_MAX)
    is_partial = ask.streaming and first < whole
    held_out = est_out if is_partial else min(ask.n * whole, TOKENS_MAX)
    return Plan(
        est_in=prompt,
        est_out=est_out,
        est_money=price(terms, prompt, est_out),
        hold_tokens=0 if terms.monthly_tokens is None else prompt + held_out,
        hold_money=max(price(terms, prompt, held_out), terms.least_hold),
        covered=prompt + est_out if is_partial or ask.is_open else None,
        step=min(ask.n * SLICE_TOKENS, TOKENS_MAX),
        held=prompt + held_out,
    )


def request_bucket(terms: Terms) -> tuple[int, int]:
    """Return µs a request and µs of burst: half the limit at once, at least 3 (10 if paid)."""
    if terms.requests_per_min is None:
        return 0, 0
    step_us = -(-MINUTE_US // terms.requests_per_min)
    return step_us, step_us * requests_at_once(terms.tier, terms.requests_per_min)


def token_bucket(terms: Terms) -> tuple[float, float]:
    """Return µs a token and µs of burst. The burst is half the limit, as for requests."""
    if terms.tokens_per_min is None:
        return 0.0, 0.0
    step_us = MINUTE_US / terms.tokens_per_min
    return step_us, step_us * tokens_at_once(terms.tokens_per_min)
