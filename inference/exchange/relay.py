"""The last part of a relay: the caller leaves or reads slowly, time passes, the process stops."""

from __future__ import annotations

from inference.admission.ports import Verdict
from inference.body.prepare import Prepared
from inference.body.sse import StreamFilter
from inference.exchange.answering import Answering
from inference.exchange.request import ArrivingRequest
from inference.gate.passed import Passed
from inference.http.problems import Refused

CALLER_GONE = 499
"""A caller that left: for logs and usage only, as nginx says it."""

KEEP_ALIVE = b": keep-alive\n\n"


class Relay(Answering):
    """The part of an exchange that talks to workers, whole."""

    __slots__ = ("_said_at",)

    def __init__(
        self, exchange: ArrivingRequest, passed: Passed, prepared: Prepared, verdict: Verdict
    ) -> None:
        super().__init__(exchange, passed, prepared, verdict)
        self._said_at = 0.0

    def left(self) -> None:
        """Hang up on the worker: nobody listens any more."""
        self._drop_call()
        watch = self._filter
        if watch is not None and self._paused_at is None and self._is_all_said(watch):
            # All was said, and its socket took it: only the worker's own end was to come.
            self._conclude(watch.seen(), "complete", "")
            return
        seen = self._seen()
        self._status = CALLER_GONE
        self._conclude(seen, "caller_left", "")

    def _is_all_said(self, watch: StreamFilter) -> bool:
        return self._closing is not None or (watch.is_over and not watch.has_failed)

    def pause(self) -> None:
        """Slow the worker down."""
        self._paused_at = self._exchange.plane.now()
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """Let it go on. Its silence while it was held back is not its own."""
        self._paused_at = None
        self._last_at = self._exchange.plane.now()
        if self._call is not None and not self._is_held_back:
            self._call.resume()

    def end(self, refusal: Refused) -> None:
        """End the answer for a reason of ours: as an ordinary error if it has not begun."""
        if self._closing is not None:
            self.close(self._closing)
        elif not self._has_begun:
            self._refuse(refusal)
        else:
            self._break(refusal.code, refusal.message)

    def on_due(self, now: float) -> None:
        """Say something in a long silence, and end what takes too long."""
        watch = self._filter
        if self._erring is not None:
            self._erring.finish()
        elif self._closing is not None:
            self.close(self._closing)
        elif watch is not None:
            self._on_due_in_stream(now, watch)
        elif not self._has_begun and self._is_stream() and now < self._idle_end():
            self._on_due_in_stream(now, self._begin_early())
        else:
            self._note_lateness()
            self.end(Refused("upstream_timeout", "The answer was not there in time."))

    def _begin_early(self) -> StreamFilter:
        """Begin a stream that is silent for long: its caller is to know that somebody is there."""
        watch = self._opening or StreamFilter(drop_usage=self._prepared.drop_usage)
        front, self._front = self._front, b""
        self._piece += watch.feed(front)
        self._begin_stream(watch)
        return watch

    def _on_due_in_stream(self, now: float, watch: StreamFilter) -> None:
        if watch.is_over:
            self._drop_call()
            self._end_stream(watch, b"")
        elif self._paused_at is not None:
            self._wait_for_caller(now, self._paused_at)
        elif now - self._last_at >= self.passed.route.terms.idle_timeout_s:
            self._note_lateness()
            self._break("upstream_timeout", "The worker fell silent.")
        else:
            self._keep_alive(now, watch)

    def _note_lateness(self) -> None:
        if self._paused_at is None:  # Else it was the caller who did not read.
            self._choice.was_late()

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
