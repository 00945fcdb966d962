"""What became of a request: the facts that usage, log and metrics are made of."""

from __future__ import annotations

from dataclasses import dataclass

from inference.contracts import Route, UsageEvent
from inference.fields import Names
from inference.tokens import Usage, estimate_tokens

ONLY_READ = frozenset({"embeddings", "rerank", "score"})
"""Operations that generate no tokens, however long their answer is."""


@dataclass(slots=True)
class Outcome:
    """Facts of one request, gathered while it runs. Times are loop seconds."""

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
    answer_bytes: int = 0
    deltas: int = 0
    usage: Usage | None = None

    @property
    def ttft_ms(self) -> float | None:
        """Milliseconds until the first byte of a worker's answer."""
        return None if self.first_at is None else (self.first_at - self.began_at) * 1000

    def event(self, ended_at: float) -> UsageEvent:
        """Say what was used. Only of a request that passed the gate."""
        source, usage = self.tokens()
        route = self.route
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
            source=source,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            tokens_cached=usage.tokens_cached,
            ttft_ms=_rounded(self.ttft_ms),
            latency_ms=round((ended_at - self.began_at) * 1000, 3),
            tier=route.terms.tier,
            terms_version=route.terms.version,
            caller_request_id=self.names.caller_id,
            secret_id=self.secret_id,
        )

    def tokens(self) -> tuple[str, Usage]:
        """Tokens as the engine counted them, or as we can tell, or none at all.

        Nothing is charged for what never gave a byte, nor for a worker's own refusal.
        """
        if self.usage is not None:
            return "measured", self.usage
        if self.first_at is None or self.ending == "refused":
            return "absent", Usage(0, 0, 0)
        is_text = self.answer_bytes and self.operation not in ONLY_READ
        generated = estimate_tokens(self.answer_bytes) if is_text else 0
        out = self.deltas if self.streamed else generated
        return "estimated", Usage(estimate_tokens(self.prompt_bytes), out, 0)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
