"""The demand of a request (request features): what the router is told of it, made once."""

from __future__ import annotations

from inference.body.prepare import Prepared
from inference.contracts.policies import BALANCED
from inference.exchange.request import Request
from inference.gate.passed import Passed
from inference.routing.demand import Demand

MICRO_A_MILLI = 1000
SEED_DIGITS = 15
"""Of a request's id: they are chance, and what its draws are made from."""


def demand_of(request: Request, passed: Passed, prepared: Prepared) -> Demand:
    """Return what the router is told of a request, the same for each of its attempts."""
    demand = request.demand
    if demand is None:
        demand = request.demand = _made(request, passed, prepared)
    return demand


def _made(request: Request, passed: Passed, prepared: Prepared) -> Demand:
    route, slo = passed.route, passed.slo
    reader = f"{route.model} {request.head.target.rest}"
    chain = request.plane.router.chain(route.project, reader, prepared.read)
    size, priority = prepared.prompt_bytes * prepared.n, route.terms.priority
    demand = Demand(route.project, route.model, size, chain, priority)
    demand.request_id, demand.endpoint = request.names.request_id, route.endpoint
    demand.fallback = passed.fallback
    demand.seed = int(demand.request_id[-SEED_DIGITS:], 16)
    demand.policy = route.policy or BALANCED
    demand.ttft_us = int((slo.ttft_ms or 0) * MICRO_A_MILLI)
    demand.tpot_us = int((slo.tpot_ms or 0) * MICRO_A_MILLI)
    return demand
