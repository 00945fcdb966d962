"""Requests for the limiter's tests: plain values with defaults."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any

from inference.admission.holds import price
from inference.admission.ports import Ask
from inference.contracts.entries import Grant, Route, Terms
from inference.contracts.events import UsageEvent
from inference.http.ids import request_id

GRANT = Grant(version=1, key_id="key_1", project="proj_a", scopes=("inference",))


def terms_of(**changes: Any) -> Terms:
    generous = Terms(
        tier="free",
        version=1,
        requests_per_min=64,
        tokens_per_min=10**9,
        concurrent=1000,
        request_timeout_s=30,
        idle_timeout_s=120,
        priority=10,
    )
    return replace(generous, **changes)


def route_of(terms: Terms | None = None, **changes: Any) -> Route:
    route = Route(
        version=1,
        project="proj_a",
        endpoint="chat",
        endpoint_id="ep_1",
        model="small",
        task="generate",
        terms=terms or terms_of(),
        pools=("shared",),
        context_length=2048,
    )
    return replace(route, **changes)


def paid(route: Route) -> Route:
    """Let a token cost one micro-unit."""
    return replace(route, terms=replace(route.terms, price_per_million=1_000_000))


def ask_of(route: Route | None = None, grant: Grant = GRANT, **changes: Any) -> Ask:
    now = time.time()
    ask = Ask(
        request_id=request_id(now),
        grant=grant,
        route=route or route_of(),
        prompt_tokens=10,
        limit_tokens=None,
        n=1,
        streaming=False,
        now=now,
        operation="chat/completions",
    )
    return replace(ask, **changes)


def ended(ask: Ask, tokens_in: int = 10, tokens_out: int = 20, **changes: Any) -> UsageEvent:
    route = ask.route
    event = UsageEvent(
        request_id=ask.request_id,
        project=route.project,
        endpoint=route.endpoint,
        endpoint_id=route.endpoint_id,
        model=route.model,
        key_id=ask.grant.key_id,
        worker_id="worker_1",
        operation=ask.operation,
        streamed=ask.streaming,
        status=200,
        ending="complete",
        source="measured",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_cached=0,
        ttft_ms=12.5,
        latency_ms=40.25,
        tier=route.terms.tier,
        terms_version=route.terms.version,
        cost=price(route.terms, tokens_in, tokens_out),
    )
    return replace(event, **changes)


def project_name() -> str:
    return f"proj_{uuid.uuid4().hex[:12]}"
