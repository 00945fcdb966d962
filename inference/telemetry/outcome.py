"""What became of a request: the facts that usage, log and metrics are made of."""

from __future__ import annotations

from typing import Final

from inference.body.claims import ABSENT, NOTHING, Bounds, Seen, charge
from inference.contracts.decisions import Decision
from inference.contracts.entries import Route, Terms
from inference.contracts.events import UsageEvent
from inference.contracts.money import cost_of
from inference.http.fields import NO_SLO, Names

_THOUSANDTHS: Final = [f".{number:03d}" for number in range(1000)]

COMPLETE: Final = "complete"
"""The ending of an answer that is whole."""

ONLY_READ = frozenset({"embeddings", "rerank", "score"})
"""Operations that generate no tokens, however long their answer is."""


class Outcome:
    """Facts of one request, gathered while it runs. ``…_at`` are loop seconds.

    ``decision``: why ``worker_id`` was chosen, in the last attempt.

    Known once it is closed: ``source``, ``tokens``, ``ttft_ms`` (until the first words of a
    stream, or the first bytes of what is none), ``latency_ms`` (from the request's head to its
    end), and ``is_doubted``: the worker's claim of its tokens can't be so.
    """

    __slots__ = (
        "began_at",
        "bounds",
        "code",
        "decision",
        "ended_at",
        "ending",
        "endpoint",
        "first_at",
        "is_doubted",
        "key_id",
        "latency_ms",
        "names",
        "operation",
        "project",
        "prompt_bytes",
        "route",
        "secret_id",
        "seen",
        "slo",
        "source",
        "status",
        "streamed",
        "tokens",
        "ttft_ms",
        "worker_id",
    )

    def __init__(self, names: Names, began_at: float) -> None:
        self.names = names
        self.began_at = began_at
        self.project = self.endpoint = self.operation = ""
        self.route: Route | None = None
        self.key_id = self.worker_id = ""
        self.decision: Decision | None = None
        self.secret_id = 0
        self.slo = NO_SLO
        self.streamed = False
        self.status = 0
        self.code = self.ending = ""
        self.first_at: float | None = None
        self.ended_at = 0.0
        self.ttft_ms: float | None = None
        self.latency_ms = 0.0
        self.prompt_bytes = 0
        self.seen: Seen | None = None
        self.bounds: Bounds | None = None
        self.source = ABSENT
        self.tokens = NOTHING
        self.is_doubted = False

    def close(self, status: int, code: str, ending: str, now: float) -> None:
        """Say how it ended, and settle on its tokens.

        As the engine counted them, or as we can tell, or none at all (``claims``): nothing is
        charged for what never gave a byte, nor for a worker's own refusal. What a limit cut
        off was given.
        """
        self.status, self.code, self.ending, self.ended_at = status, code, ending, now
        self.latency_ms = _milliseconds(now - self.began_at)
        if self.first_at is not None:
            self.ttft_ms = _milliseconds(self.first_at - self.began_at)
        if self.seen is not None and self.bounds is not None:
            due = charge(self.seen, self.bounds, has_left=ending == "caller_left")
            self.source, self.tokens, self.is_doubted = due.source, due.tokens, due.is_doubted

    def event(self) -> UsageEvent:
        """Say what was used. Only of a closed request that passed the gate."""
        route, tokens = self.route, self.tokens
        assert route is not None  # noqa: S101 - the limiter was asked with it
        return UsageEvent(
            request_id=self.names.request_id,
            project=route.project,
            endpoint=route.endpoint,
            endpoint_id=route.endpoint_id,
            model=route.model,
            key_id=self.key_id,
            worker_id=self.worker_id,
            operation=self.operation,
            streamed=self.streamed,
            status=self.status,
            ending=self.ending,
            source=self.source,
            tokens_in=tokens.tokens_in,
            tokens_out=tokens.tokens_out,
            tokens_cached=tokens.tokens_cached or 0,
            ttft_ms=self.ttft_ms,
            latency_ms=self.latency_ms,
            tier=route.terms.tier,
            terms_version=route.terms.version,
            caller_request_id=self.names.caller_id,
            secret_id=self.secret_id,
            cost=self._cost(route.terms),
            slo_ttft_ms=self.slo.ttft_ms,
            slo_tpot_ms=self.slo.tpot_ms,
            decision=self.decision,
        )

    def _cost(self, terms: Terms) -> int:
        tokens = self.tokens
        return cost_of(
            tokens.tokens_in,
            tokens.tokens_out,
            tokens.tokens_cached or 0,
            price_per_million=terms.price_per_million,
            cached_percent=terms.cached_percent,
        )


def _milliseconds(seconds: float) -> float:
    """Round to a thousandth, at a fraction of what ``round`` costs."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def milliseconds_text(milliseconds: float) -> str:
    """Write a rounded duration as JSON, at a fraction of what finding its shortest form costs."""
    thousandths = int(milliseconds * 1000 + 0.5)
    return f"{thousandths // 1000}{_THOUSANDTHS[thousandths % 1000]}"
