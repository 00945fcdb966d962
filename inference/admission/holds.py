"""Holds (reservations): what a request is taken to use, and to hold. Pure arithmetic.

Money is held in slices. A stream holds its prompt and ``SLICE_TOKENS`` a choice, and renews;
any other answer can't be ended half-way, so it holds all that it may use. Tokens a minute
reserve the first slice of either: an estimate that is corrected when the request ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.admission.ports import Ask
from inference.body.room import SLICE_TOKENS, TOKENS_MAX, longest_answer
from inference.contracts.entries import Terms
from inference.contracts.money import cost_of


@dataclass(init=False)
class Hold:
    """What one request is expected to use and what it holds, in tokens and micro-units.

    ``est_*`` is charged if its gateway is never heard of again. ``covered`` is the number of
    tokens up to which nothing need be renewed (none: all); ``step`` is a renewal's. ``held``
    is how many were put aside at first, be there a price or not.
    """

    est_in: int
    est_out: int
    est_money: int
    tokens: int
    money: int
    covered: int | None
    step: int
    held: int = field(compare=False)

    def __init__(  # noqa: PLR0913, PLR0917 - spelled out: made for each request, and compiled
        self,
        est_in: int,
        est_out: int,
        est_money: int,
        tokens: int,
        money: int,
        covered: int | None,
        step: int,
        held: int = 0,
    ) -> None:
        self.est_in = est_in
        self.est_out = est_out
        self.est_money = est_money
        self.tokens = tokens
        self.money = money
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


def hold_of(ask: Ask) -> Hold:
    """Say what a request is to hold. What the caller asks for has no bound; what is packed has."""
    route, prompt = ask.route, ask.prompt_tokens
    terms = route.terms
    each = longest_answer(route, prompt, ask.limit_tokens, ask.n)
    whole = each if route.task == "generate" else 0
    first = min(whole, SLICE_TOKENS)
    est_out = min(ask.n * first, TOKENS_MAX)
    is_partial = ask.streaming and first < whole
    held_out = est_out if is_partial else min(ask.n * whole, TOKENS_MAX)
    return Hold(
        est_in=prompt,
        est_out=est_out,
        est_money=price(terms, prompt, est_out),
        tokens=0 if terms.monthly_tokens is None else prompt + held_out,
        money=max(price(terms, prompt, held_out), terms.least_hold),
        covered=prompt + est_out if is_partial or ask.is_open else None,
        step=min(ask.n * SLICE_TOKENS, TOKENS_MAX),
        held=prompt + held_out,
    )
