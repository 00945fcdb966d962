"""Limits in an outage (degraded mode): what a gateway lets in while Valkey is away. Pure.

It lets in a share of every limit. Other gateways do the same, and nobody adds up, so the share
has to be small enough that all of them together stay near the limit. Money needs a balance that
was seen before the outage, and is capped. What was let in is told to Valkey when it is back.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.admission.buckets import request_bucket, token_bucket
from inference.admission.holds import Hold
from inference.admission.key_limits import requests_in_outage
from inference.contracts.entries import Grant, Route

BALANCES_MAX = 50_000


@dataclass(frozen=True)
class OutageShare:
    """How much one gateway may let in. ``money`` is in micro-units, a project and outage."""

    part: float = 0.25
    money: int = 1_000_000
    outage_s: float = 600.0


class OutageLimits:
    """Counts what is let in during one outage. Times are in seconds of any steady clock."""

    def __init__(self, share: OutageShare) -> None:
        self._share = share
        self._balances: dict[str, int] = {}
        self._since: float | None = None
        self._full_at: dict[tuple[str, str], float] = {}
        self._requests: dict[str, int] = {}
        self._money: dict[str, int] = {}
        self._tokens: dict[str, int] = {}

    def learn(self, project: str, balance: int) -> None:
        """Remember what a project had left when it was last seen."""
        if len(self._balances) >= BALANCES_MAX:
            self._balances.clear()
        self._balances[project] = balance

    def over(self) -> None:
        """Forget the outage: Valkey is back."""
        if self._since is not None:
            self._since = None
            for counts in (self._full_at, self._requests, self._money, self._tokens):
                counts.clear()

    def let_in(self, grant: Grant, route: Route, hold: Hold, running: int, now: float) -> bool:
        """Say whether a request fits, and count it if it does. A refused one counts nowhere."""
        if self._since is None:
            self._since = now
        terms, part = route.terms, self._share.part
        requests_us, burst_us = request_bucket(terms)
        token_us, tokens_us = token_bucket(terms)
        endpoint, used = route.endpoint_id, hold.est_in + hold.est_out
        fits = (
            now - self._since < self._share.outage_s
            and running < max(1, int(terms.concurrent * part))
            and self._has_requests(grant)
            and self._has_tokens(route, hold.tokens)
            and self._has_money(route.project, hold.money)
            and self._has_room((endpoint, "requests"), requests_us / 1e6, burst_us / 1e6, now)
            and self._has_room((endpoint, "tokens"), token_us / 1e6, tokens_us / 1e6, now)
        )
        if fits:
            self._take((endpoint, "requests"), requests_us / 1e6 / part, now)
            self._take((endpoint, "tokens"), used * token_us / 1e6 / part, now)
            self._requests[grant.key_id] = self._requests.get(grant.key_id, 0) + 1
            self._add(route.project, hold.tokens, hold.money)
        return fits

    def grow(self, route: Route, tokens: int, money: int) -> bool:
        """Say whether a running request may hold more, and count it if it may."""
        fits = self._has_money(route.project, money) and self._has_tokens(route, tokens)
        if fits:
            self._add(route.project, tokens, money)
        return fits

    def _add(self, project: str, tokens: int, money: int) -> None:
        self._tokens[project] = self._tokens.get(project, 0) + tokens
        self._money[project] = self._money.get(project, 0) + money

    def _has_requests(self, grant: Grant) -> bool:
        most = requests_in_outage(grant, self._share.part)
        return most is None or self._requests.get(grant.key_id, 0) < most

    def _has_tokens(self, route: Route, tokens: int) -> bool:
        allowance = route.terms.monthly_tokens
        if allowance is None:
            return True
        used = self._tokens.get(route.project, 0)
        return used + tokens <= allowance * self._share.part

    def _has_money(self, project: str, money: int) -> bool:
        if not money:
            return True
        most = min(self._balances.get(project, 0) * self._share.part, self._share.money)
        return self._money.get(project, 0) + money <= most

    def _has_room(self, bucket: tuple[str, str], step_s: float, burst_s: float, now: float) -> bool:
        # Of a bucket that fills ``part`` as fast, and is a full one's share deep: at least a step.
        ahead = self._full_at.get(bucket, now) - now
        return ahead <= 0 or ahead + step_s / self._share.part <= burst_s

    def _take(self, bucket: tuple[str, str], amount_s: float, now: float) -> None:
        self._full_at[bucket] = max(self._full_at.get(bucket, now), now) + amount_s
