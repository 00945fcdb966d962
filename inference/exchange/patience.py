"""Patience (timeouts, keep-alives, back-pressure) with an answer: who is waited for, and how long.

The caller leaves or reads slowly, the worker falls silent, time runs out.
"""

from __future__ import annotations

from typing import Final

from inference.body.sse import StreamFilter
from inference.exchange.relay import Relay
from inference.exchange.request import Request
from inference.http.problems import Refused
from inference.telemetry.outcome import COMPLETE

CALLER_GONE: Final = 499
"""A caller that left: for logs and usage only, as nginx says it."""

KEEP_ALIVE: Final = b": keep-alive\n\n"


class Patience:
    """Watches over a relay from both sides. See the module."""

    __slots__ = ("_paused_at", "_relay", "_request", "_said_at")

    def __init__(self, request: Request, relay: Relay) -> None:
        self._request = request
        self._relay = relay
        self._paused_at: float | None = None
        self._said_at = 0.0

    # ── With the caller ────────────────────────────────────────────────────────────────

    def left(self) -> None:
        """Hang up on the worker: nobody listens any more."""
        relay, reply = self._relay, self._relay.reply
        relay.attempts.hang_up()
        stream = reply.stream
        if stream is not None and self._paused_at is None and self._is_all_said(stream):
            # All was said, and its socket took it: only the worker's own end was to come.
            relay.conclusion.book(reply.status, stream.seen(), COMPLETE)
        else:
            relay.conclusion.book(CALLER_GONE, reply.seen(), "caller_left")

    def _is_all_said(self, stream: StreamFilter) -> bool:
        is_closing = self._relay.cover.closing is not None
        return is_closing or (stream.is_over and not stream.has_failed)

    def pause(self) -> None:
        """Slow the worker down."""
        self._paused_at = self._request.plane.now()
        self._relay.attempts.call.pause()

    def resume(self) -> None:
        """Let it go on. Its silence while it was held back is not its own."""
        self._paused_at = None
        self._relay.last_at = self._request.plane.now()
        self._relay.attempts.call.resume()

    # ── With the worker ────────────────────────────────────────────────────────────────

    def on_due(self, now: float) -> None:
        """Say something in a long silence, and end what takes too long."""
        relay, reply, closing = self._relay, self._relay.reply, self._relay.cover.closing
        if relay.attempts.stop_hearing():
            return  # Another worker is asked, or nobody, without the words of this one's error.
        if closing is not None:
            relay.conclusion.close(reply, closing)
        elif reply.stream is not None:
            self._on_due_in_stream(now, reply.stream)
        elif not reply.has_begun and reply.is_stream and now < relay.idle_end():
            self._on_due_in_stream(now, relay.begin_early())
        else:
            self._note_lateness()
            relay.end(Refused("upstream_timeout", "The answer was not there in time."))

    def _on_due_in_stream(self, now: float, stream: StreamFilter) -> None:
        relay = self._relay
        if stream.is_over:
            relay.attempts.hang_up()
            relay.conclusion.end_stream(relay.reply, stream, b"")
        elif self._paused_at is not None:
            self._wait_for_caller(now, self._paused_at)
        elif now >= relay.idle_end():
            self._note_lateness()
            relay.conclusion.break_off(relay.reply, "upstream_timeout", "The worker fell silent.")
        else:
            self._keep_alive(now, stream)

    def _note_lateness(self) -> None:
        if self._paused_at is None:  # Else it was the caller who did not read.
            self._relay.attempts.choice.was_late()

    def _wait_for_caller(self, now: float, since: float) -> None:
        end = since + self._request.plane.config.waits.stalled_caller_s
        if now < end:
            self._request.wait_until(end)
            return
        self._request.caller.abort()
        self.left()

    def _keep_alive(self, now: float, stream: StreamFilter) -> None:
        silence_s = self._request.plane.config.waits.silence_s
        said_at = max(self._relay.last_at, self._said_at)
        if now - said_at >= silence_s:
            said_at = self._said_at = now
            if stream.at_boundary:
                self._request.caller.write(KEEP_ALIVE)
        self._request.wait_until(min(said_at + silence_s, self._relay.idle_end()))
