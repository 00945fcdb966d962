"""What the data plane says back to the control plane: one event for each admitted request."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from inference.contracts.decisions import Decision

EVENT_FIELD = "event"
"""The one field of a usage stream's entries: a ``UsageEvent`` as JSON."""

SHARED: Final = (
    "project",
    "endpoint",
    "endpoint_id",
    "model",
    "key_id",
    "secret_id",
    "operation",
    "streamed",
    "tier",
    "terms_version",
)
"""Fields that are the same for all requests of a key on an endpoint: written once for many."""

ENDED: Final = (
    "worker_id",
    "status",
    "ending",
    "source",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
    "cost",
    "ttft_ms",
    "latency_ms",
)
"""What is known when a request has ended. Where its gateway was lost they are an estimate, which
the truth amends."""

ASKED: Final = ("caller_request_id", "slo_ttft_ms", "slo_tpot_ms")
"""What its caller may have said; left out of the JSON where they said nothing."""

DECIDED: Final = ("decision",)
"""Why its worker was chosen (``decisions``); left out of the JSON where none was."""


@dataclass(init=False)
class UsageEvent:
    """What one admitted request used, said once, when it ended. Never changed afterwards.

    ``source`` of the tokens: ``measured`` (the engine said so), ``estimated`` (counted by
    us) or ``absent``. ``ending``: ``complete``, ``caller_left``, ``worker_broke``,
    ``timeout``, ``refused`` (by the worker or by a limit mid-stream), ``gateway_lost``.
    ``request_id`` is ``req_`` and a UUIDv7: the moment of admission can be read from it.
    ``cost`` is in micro-units, at the price when it began; ``slo_…`` is what the caller hoped.

    A new field goes into one of ``SHARED``, ``ENDED``, ``ASKED`` and ``DECIDED``; tests then name
    all that has to know it: a gateway's lane, the library's estimate, the columns, the export. A
    new fact of a decision needs none of that: it is in ``Decision``.
    """

    request_id: str
    project: str
    endpoint: str
    endpoint_id: str
    model: str
    key_id: str
    worker_id: str
    operation: str
    streamed: bool
    status: int
    ending: str
    source: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    ttft_ms: float | None
    latency_ms: float
    tier: str
    terms_version: int
    caller_request_id: str
    secret_id: int
    cost: int
    slo_ttft_ms: float | None
    slo_tpot_ms: float | None
    decision: Decision | None

    def __init__(  # noqa: PLR0913, PLR0917 - spelled out: made for each request, and compiled
        self,
        request_id: str,
        project: str,
        endpoint: str,
        endpoint_id: str,
        model: str,
        key_id: str,
        worker_id: str,
        operation: str,
        streamed: bool,
        status: int,
        ending: str,
        source: str,
        tokens_in: int,
        tokens_out: int,
        tokens_cached: int,
        ttft_ms: float | None,
        latency_ms: float,
        tier: str,
        terms_version: int,
        caller_request_id: str = "",
        secret_id: int = 0,
        cost: int = 0,
        slo_ttft_ms: float | None = None,
        slo_tpot_ms: float | None = None,
        decision: Decision | None = None,
    ) -> None:
        self.request_id = request_id
        self.project = project
        self.endpoint = endpoint
        self.endpoint_id = endpoint_id
        self.model = model
        self.key_id = key_id
        self.worker_id = worker_id
        self.operation = operation
        self.streamed = streamed
        self.status = status
        self.ending = ending
        self.source = source
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.tokens_cached = tokens_cached
        self.ttft_ms = ttft_ms
        self.latency_ms = latency_ms
        self.tier = tier
        self.terms_version = terms_version
        self.caller_request_id = caller_request_id
        self.secret_id = secret_id
        self.cost = cost
        self.slo_ttft_ms = slo_ttft_ms
        self.slo_tpot_ms = slo_tpot_ms
        self.decision = decision


def moment_of(request_id: str) -> float:
    """Return when a request was admitted, in Unix seconds with milliseconds.

    Reads the UUIDv7 in ``req_…``; raises ``ValueError`` if there is none.
    """
    return (uuid.UUID(request_id.removeprefix("req_")).int >> 80) / 1000
