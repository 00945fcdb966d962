"""What became of a request: the facts that usage, log and metrics are made of."""

from __future__ import annotations

from dataclasses import dataclass

from inference.contracts import Route, Terms, UsageEvent, cost_of
from inference.fields import NO_SLO, Names, Slo
from inference.tokens import Usage, estimate_tokens

ONLY_READ = frozenset({"embeddings", "rerank", "score"})
"""Operations that generate no tokens, however long their answer is."""

NOTHING = Usage(0, 0, 0)


@dataclass(slots=True)
class Outcome:
    """Facts of one request, gathered while it runs. Times are loop seconds.

    ``source`` and ``tokens`` are known once it is closed.
    """

    names: Names
    began_at: float
    project: str = ""
    endpoint: str = ""
    operation: str = ""
    route: Route | None = None
    key_id: str = ""
    secret_id: int = 0
    streamed: bool = False
    prompt_bytes: int = 0
    worker_id: str = ""
    status: int = 0
    code: str = ""
    ending: str = ""
    first_at: float | None = None
    ended_at: float = 0.0
    answer_bytes: int = 0
    deltas: int = 0
    usage: Usage | None = None
    source: str = "absent"
    tokens: Usage = NOTHING
    slo: Slo = NO_SLO

    def close(self, status: int, code: str, ending: str, now: float) -> None:
        """Say how it ended, and settle on its tokens.

        As the engine counted them, or as we can tell, or none at all: nothing is charged for
        what never gave a byte, nor for a worker's own refusal. What a limit cut off was given.
        """
        self.status, self.code, self.ending, self.ended_at = status, code, ending, now
        if self.usage is not None:
            self.source, self.tokens = "measured", self.usage
        elif self.first_at is not None and (ending != "refused" or self.deltas):
            self.source, self.tokens = "estimated", self._estimate()

    @property
    def ttft_ms(self) -> float | None:
        """Milliseconds until the first byte of a worker's answer."""
        return None if self.first_at is None else round((self.first_at - self.began_at) * 1000, 3)

    @property
    def latency_ms(self) -> float:
        """Milliseconds from the request's head to its end."""
        return round((self.ended_at - self.began_at) * 1000, 3)

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
            tokens_cached=tokens.tokens_cached,
            ttft_ms=self.ttft_ms,
            latency_ms=self.latency_ms,
            tier=route.terms.tier,
            terms_version=route.terms.version,
            caller_request_id=self.names.caller_id,
            secret_id=self.secret_id,
            cost=self._cost(route.terms),
            slo_ttft_ms=self.slo.ttft_ms,
            slo_tpot_ms=self.slo.tpot_ms,
        )

    def _cost(self, terms: Terms) -> int:
        tokens = self.tokens
        return cost_of(
            tokens.tokens_in,
            tokens.tokens_out,
            tokens.tokens_cached,
            price_per_million=terms.price_per_million,
            cached_percent=terms.cached_percent,
        )

    def _estimate(self) -> Usage:
        is_text = self.answer_bytes and self.operation not in ONLY_READ
        generated = estimate_tokens(self.answer_bytes) if is_text else 0
        out = self.deltas if self.streamed else generated
        return Usage(estimate_tokens(self.prompt_bytes), out, 0)
