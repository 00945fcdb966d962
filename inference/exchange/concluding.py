"""Conclude an answer: well, or broken off, once, and before its last byte leaves."""

from __future__ import annotations

from collections.abc import Callable

from inference.admission.ports import Verdict
from inference.body.claims import Seen
from inference.body.plain import Document
from inference.body.prepare import Prepared
from inference.body.sse import StreamFilter
from inference.exchange.attempts import ENDINGS
from inference.exchange.holding import Holding
from inference.exchange.request import ArrivingRequest
from inference.gate.passed import Passed
from inference.http.lines import Headers
from inference.http.problems import stream_error

OK, NOT_OK = 200, 300


class Concluding(Holding):
    """The third part of a relay: what there is of an answer, and how it ends."""

    __slots__ = (
        "_document",
        "_filter",
        "_front",
        "_has_begun",
        "_headers",
        "_is_lingering",
        "_last_at",
        "_media",
        "_opening",
        "_piece",
        "_status",
        "_write",
    )

    def __init__(
        self, exchange: ArrivingRequest, passed: Passed, prepared: Prepared, verdict: Verdict
    ) -> None:
        super().__init__(exchange, passed, prepared, verdict)
        self._write: Callable[[bytes], None] = exchange.caller.write
        self._has_begun = self._is_lingering = False
        self._last_at = 0.0
        self._headers: Headers = []
        self._forget_answer()

    def _forget_answer(self) -> None:
        self._filter: StreamFilter | None = None
        self._opening: StreamFilter | None = None
        self._document: Document | None = None
        self._front = self._piece = self._media = b""
        self._status = 0

    def _complete(self, seen: Seen, last: bytes) -> None:
        """End well, once what it owes is held."""
        self._closing, self._piece = seen, last
        self.try_to_close()

    def close(self, seen: Seen) -> None:
        """End well, and now."""
        self._finish(seen, "complete", "", self._piece)

    def _finish(self, seen: Seen | None, ending: str, code: str, last: bytes) -> None:
        caller = self._exchange.caller
        self._conclude(seen, ending, code)
        if last:
            caller.write(last)
        caller.finish()

    def _break(self, code: str, message: str, last: bytes = b"") -> None:
        self._drop_call()
        caller, watch = self._exchange.caller, self._filter
        self._conclude(self._seen(), ENDINGS.get(code, "refused"), code)
        if watch is None:
            caller.abort()
            return
        gap = b"" if watch.at_boundary else b"\n\n"
        caller.write(last + gap + stream_error(code, message))
        caller.finish()

    def _seen(self) -> Seen | None:
        """Say what came of an answer that was not completed."""
        if not OK <= self._status < NOT_OK:
            return None
        if self._filter is not None:
            seen = self._filter.seen()
            seen.is_accepted = not self._filter.has_failed
            return seen
        seen = Seen() if self._document is None else self._document.cut_off()
        seen.is_accepted = True
        return seen

    def _conclude(self, seen: Seen | None, ending: str, code: str) -> None:
        exchange = self._exchange
        if seen is not None:
            exchange.outcome.seen, exchange.outcome.bounds = seen, self._bounds(seen)
        exchange.conclude(self._status, code, ending)

    def _idle_end(self) -> float:
        return self._last_at + self.passed.route.terms.idle_timeout_s
