"""Carry a worker's answer to the caller.

Until the first byte of an answer was sent another worker may take over, twice at most. From
then on what was sent can't be taken back: a stream that breaks says so in the stream, any
other answer is cut off. Whatever happens, the exchange is concluded once, before the last byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from inference.exchange.asking import ENDINGS, Asking
from inference.exchange.look_up import Passed
from inference.exchange.prepare import GENERATING, Prepared
from inference.fields import SSE, lines_of, rate_lines
from inference.ports import SLICE_TOKENS, Headers, Lines, Verdict, WorkerFailed
from inference.problems import Refused, stream_error
from inference.sse import StreamFilter
from inference.tokens import usage_of_answer

if TYPE_CHECKING:  # the exchange makes its relay
    from inference.exchange.core import Exchange

OK, NOT_OK, CALLER_GONE = 200, 300, 499
"""499 is of a caller that left: for logs and usage only, as nginx says it."""

SSE_OWN = frozenset({b"content-type", b"content-length", b"cache-control"})
PLAIN = (b"application/json", b"text/plain", b"text/event-stream", b"audio/", b"image/png")
HARMLESS = b"content-security-policy: sandbox; default-src 'none'\r\n"
"""Of any other kind, an answer may be something that a browser would show as a page of ours."""

TAIL_BYTES = 4096
RENEW_AHEAD_TOKENS = 64
KEEP_ALIVE = b": keep-alive\n\n"


class Relay(Asking):
    """The part of an exchange that talks to workers. Takes the answer as ``ports.Answer``.

    A plain answer is sent one piece behind: its head waits for the second piece or the end,
    so that a worker that breaks early can still be replaced, and its last byte leaves only
    when the request was settled.
    """

    __slots__ = (
        "_filter",
        "_has_begun",
        "_has_length",
        "_hold",
        "_is_renewing",
        "_last_at",
        "_paused_at",
        "_pending",
        "_piece",
        "_said_at",
        "_status",
        "_tail",
        "_write",
    )

    def __init__(
        self, exchange: Exchange, passed: Passed, made: Prepared, verdict: Verdict
    ) -> None:
        super().__init__(exchange, passed, made, verdict)
        self._filter: StreamFilter | None = None
        self._has_begun = False
        self._has_length = False
        self._hold = verdict.hold_tokens
        self._is_renewing = False
        self._last_at = 0.0
        self._said_at = 0.0
        self._paused_at: float | None = None
        self._pending: Lines = b""
        self._piece = b""
        self._status = 0
        self._tail = b""
        self._write: Callable[[bytes], None] = exchange.caller.write

    # ── The worker answers ─────────────────────────────────────────────────────────────

    def on_head(self, status: int, headers: Headers) -> None:
        """Begin the answer, or turn to another worker."""
        exchange = self._exchange
        plane, worker_id = exchange.plane, exchange.outcome.worker_id
        shown = dict(headers)
        if not OK <= status < NOT_OK and self._is_ours(status, has_wait=b"retry-after" in shown):
            return
        plane.health.succeeded(worker_id)
        self._status = status
        self._last_at = plane.now()
        is_stream = shown.get(b"content-type", b"").startswith(b"text/event-stream")
        if is_stream:
            if b"content-encoding" not in shown:
                self._filter = StreamFilter(drop_usage=self._made.drop_usage)
            lines = SSE + lines_of([field for field in headers if field[0] not in SSE_OWN])
            silence_end = self._last_at + plane.config.waits.silence_s
            self._exchange.wait_until(min(silence_end, self._idle_end()))
        else:
            lines = lines_of(headers)
            if not shown.get(b"content-type", b"").startswith(PLAIN):
                lines += HARMLESS
        names, limits = exchange.names, rate_lines(self._verdict.limits)
        if self._made.clamped:
            limits += b"x-xerotier-clamped: %b\r\n" % self._made.clamped
        self._pending = b"".join((names.lines(), names.worker_lines(worker_id), lines, limits))
        self._has_length = not is_stream and b"content-length" in shown
        if is_stream:
            self._begin_answer()

    def _begin_answer(self) -> None:
        """Send the head: from here on no other worker can take over."""
        self._has_begun = True
        self._exchange.outcome.first_at = self._last_at
        self._exchange.caller.start(self._status, self._pending, has_length=self._has_length)

    def on_data(self, data: bytes) -> None:
        """Pass a piece on: at once in a stream; else all but the last, which waits for the end."""
        exchange = self._exchange
        self._last_at = exchange.plane.now()
        watch = self._filter
        if watch is not None:
            relayed = watch.feed(data)
            if relayed:
                self._write(relayed)
            if self._hold is not None:
                self._renew(watch.deltas)
            return
        held, self._piece = self._piece, data
        if held:
            if not self._has_begun:
                self._begin_answer()
            exchange.outcome.answer_bytes += len(held)
            self._tail = (self._tail + held)[-TAIL_BYTES:]
            exchange.caller.write(held)

    def on_end(self) -> None:
        """Complete the answer, if it is complete."""
        self._call = None
        watch = self._filter
        if watch is None:
            self._end_plain()
            return
        last = watch.finish()
        if not watch.done and self._path[1:] in GENERATING and self._status == OK:
            self._break("upstream_disconnected", "The worker ended its stream early.", last)
            return
        self._conclude("complete", "")
        caller = self._exchange.caller
        if last:
            caller.write(last)
        caller.finish()

    def _end_plain(self) -> None:
        exchange = self._exchange
        if not self._has_begun:
            self._begin_answer()
        exchange.outcome.answer_bytes += len(self._piece)
        tail = self._tail + self._piece if self._tail else self._piece
        exchange.outcome.usage = usage_of_answer(tail, is_whole=not self._tail)
        self._conclude("complete" if self._status < NOT_OK else "refused", "")
        if self._piece:
            exchange.caller.write(self._piece)
        exchange.caller.finish()

    def on_fail(self, failure: WorkerFailed) -> None:
        """Turn to another worker, or break off what has begun."""
        self._call = None
        exchange = self._exchange
        exchange.plane.health.failed(exchange.outcome.worker_id)
        if not self._has_begun:
            self._piece = b""
            self._ask()
        else:
            self._break("upstream_disconnected", "The worker broke off.")

    # ── Mid-answer ─────────────────────────────────────────────────────────────────────

    def _break(self, code: str, message: str, last: bytes = b"") -> None:
        self._drop_call()
        exchange, watch = self._exchange, self._filter
        self._conclude(ENDINGS.get(code, "refused"), code)
        if watch is None:
            exchange.caller.abort()
            return
        gap = b"" if watch.at_boundary else b"\n\n"
        exchange.caller.write(last + gap + stream_error(code, message))
        exchange.caller.finish()

    def is_covered(self, tokens: int) -> bool:
        """Say whether so many tokens are held; if not, hold them, and then say so to the exchange.

        Refused, they end the request.
        """
        if self._hold is None:
            return True
        # A renewal holds a slice more than it is told was used: that much less is told.
        self._renew(tokens - self._made.prompt_tokens - SLICE_TOKENS, ahead=SLICE_TOKENS - 1)
        return not self._is_renewing

    def _renew(self, tokens_out: int, ahead: int = RENEW_AHEAD_TOKENS) -> None:
        so_far = self._made.prompt_tokens + tokens_out
        if self._is_renewing or self._hold is None or so_far + ahead < self._hold:
            return
        self._is_renewing = True
        exchange = self._exchange

        def on_verdict(verdict: Verdict) -> None:
            self._is_renewing = False
            if verdict.allowed:
                self._hold = verdict.hold_tokens
                exchange.go_on_holding()
            elif self._call is not None:
                self.end(Refused(verdict.code, verdict.message))

        exchange.plane.limiter.renew(exchange.names.request_id, so_far, on_verdict)

    def _conclude(self, ending: str, code: str) -> None:
        exchange, watch = self._exchange, self._filter
        if watch is not None:
            exchange.outcome.usage, exchange.outcome.deltas = watch.usage, watch.deltas
        exchange.conclude(self._status, code, ending)

    # ── The caller, the clock, the process ─────────────────────────────────────────────

    def left(self) -> None:
        """Hang up on the worker: nobody listens any more."""
        self._drop_call()
        watch = self._filter
        if watch is not None and watch.done and self._paused_at is None:
            # All was said, and its socket took it: only the worker's own end was to come.
            self._conclude("complete", "")
            return
        self._status = CALLER_GONE
        self._conclude("caller_left", "")

    def pause(self) -> None:
        """Slow the worker down."""
        self._paused_at = self._exchange.plane.now()
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """Let it go on. Its silence while it was held back is not its own."""
        self._paused_at = None
        self._last_at = self._exchange.plane.now()
        if self._call is not None:
            self._call.resume()

    def end(self, refusal: Refused) -> None:
        """End the answer for a reason of ours: as an ordinary error if it has not begun."""
        if not self._has_begun:
            self._refuse(refusal)
        else:
            self._break(refusal.code, refusal.message)

    def on_due(self, now: float) -> None:
        """Say something in a long silence, and end what takes too long."""
        if self._erring is not None:
            self._erring.finish()
        elif not self._has_begun or self._filter is None:
            self._note_lateness()
            self.end(Refused("upstream_timeout", "The answer was not there in time."))
        elif self._paused_at is not None:
            self._wait_for_caller(now, self._paused_at)
        elif now - self._last_at >= self.passed.route.terms.idle_timeout_s:
            self._note_lateness()
            self._break("upstream_timeout", "The worker fell silent.")
        else:
            self._keep_alive(now, self._filter)

    def _note_lateness(self) -> None:
        outcome = self._exchange.outcome
        if self._paused_at is None:  # Else it was the caller who did not read.
            self._exchange.plane.health.was_late(outcome.worker_id, outcome.project)

    def _wait_for_caller(self, now: float, since: float) -> None:
        end = since + self._exchange.plane.config.waits.stalled_caller_s
        if now < end:
            self._exchange.wait_until(end)
            return
        self._exchange.caller.abort()
        self.left()

    def _keep_alive(self, now: float, watch: StreamFilter) -> None:
        silence_s = self._exchange.plane.config.waits.silence_s
        said_at = max(self._last_at, self._said_at)
        if now - said_at >= silence_s:
            said_at = self._said_at = now
            if watch.at_boundary:
                self._exchange.caller.write(KEEP_ALIVE)
        self._exchange.wait_until(min(said_at + silence_s, self._idle_end()))

    def _idle_end(self) -> float:
        return self._last_at + self.passed.route.terms.idle_timeout_s
