"""Conclusion of an answer (completion, abort): well, failed or broken off, before its last byte.

What is well and owes more than is held for it waits until that was asked for.
"""

from __future__ import annotations

from typing import Final

from inference.body.claims import Seen
from inference.body.plain import Document
from inference.body.prepare import GENERATING
from inference.body.sse import StreamFilter
from inference.exchange.attempts import ENDINGS, Attempts
from inference.exchange.cover import Cover
from inference.exchange.reply import Reply
from inference.exchange.request import Request
from inference.http.problems import stream_error
from inference.telemetry.outcome import COMPLETE

HAVE_ENDS: Final = GENERATING | {"responses"}
"""Operations whose streams say that they are complete."""


class Conclusion:
    """Ends an answer that has begun: first in the books, then before its caller."""

    __slots__ = ("_attempts", "_cover", "_request")

    def __init__(self, request: Request, attempts: Attempts, cover: Cover) -> None:
        self._request = request
        self._attempts = attempts
        self._cover = cover

    def end_stream(self, reply: Reply, stream: StreamFilter, last: bytes) -> None:
        """End a stream as what it has come to."""
        operation = self._request.head.target.rest
        if stream.has_failed:
            self._end_failed(reply, stream.seen(), last, is_callers=stream.is_callers)
        elif not stream.has_begun:
            self.break_off(reply, "upstream_error", "The worker gave no answer.", last)
        elif not stream.has_ended and operation in HAVE_ENDS:
            message = "The worker ended its stream early."
            self.break_off(reply, "upstream_disconnected", message, last)
        else:
            self._complete(reply, stream.seen(), last)

    def end_document(self, reply: Reply, document: Document, seen: Seen, last: bytes) -> None:
        """End a document, of which was read what it has come to."""
        if seen.is_given:
            self._complete(reply, seen, last)
        else:
            self._end_failed(reply, seen, last, is_callers=document.is_callers)

    def _complete(self, reply: Reply, seen: Seen, last: bytes) -> None:
        """End well, once what it owes is held."""
        reply.piece = last
        if self._cover.may_end(seen):
            self.close(reply, seen)

    def close(self, reply: Reply, seen: Seen) -> None:
        """End well, and now."""
        self.finish(reply, seen, COMPLETE, "", reply.piece)

    def _end_failed(self, reply: Reply, seen: Seen, last: bytes, *, is_callers: bool) -> None:
        # Its own words stand in it.
        broke = ("refused", "") if is_callers else ("worker_broke", "upstream_error")
        self.finish(reply, seen, *broke, last)

    def finish(self, reply: Reply, seen: Seen | None, ending: str, code: str, last: bytes) -> None:
        """Book an answer, and send the last of it."""
        caller = self._request.caller
        self.book(reply.status, seen, ending, code)
        if last:
            caller.write(last)
        caller.finish()

    def break_off(self, reply: Reply, code: str, message: str, last: bytes = b"") -> None:
        """Hang up on the worker, and tell the caller that no more comes."""
        self._attempts.hang_up()
        caller, stream = self._request.caller, reply.stream
        self.book(reply.status, reply.seen(), ENDINGS.get(code, "refused"), code)
        if stream is None:
            caller.abort()
            return
        gap = b"" if stream.at_boundary else b"\n\n"
        caller.write(last + gap + stream_error(code, message))
        caller.finish()

    def book(self, status: int, seen: Seen | None, ending: str, code: str = "") -> None:
        """Write down what came of an answer, and that it is over."""
        if seen is not None:
            self._cover.book(seen)
        self._request.conclude(status, code, ending)
