"""The beginning of an answer (response head): from here on no other worker can take over."""

from __future__ import annotations

from inference.admission.ports import Verdict
from inference.body.prepare import Prepared
from inference.body.sse import StreamFilter
from inference.exchange.answer_head import answer_head, stream_head
from inference.exchange.attempts import Attempts
from inference.exchange.reply import Reply
from inference.exchange.request import Request
from inference.http.lines import Lines


class Beginning:
    """Sends the head of an answer, and notes when its first words came.

    ``is_mute``: whether it is a stream that was begun for its caller's sake, and says nothing yet.
    """

    __slots__ = ("_attempts", "_prepared", "_request", "_verdict", "is_mute")

    def __init__(
        self, request: Request, attempts: Attempts, prepared: Prepared, verdict: Verdict
    ) -> None:
        self._request = request
        self._attempts = attempts
        self._prepared = prepared
        self._verdict = verdict
        self.is_mute = False

    def stream(self, reply: Reply, stream: StreamFilter, at: float) -> None:
        """Send the head of a stream, and what was kept of it."""
        names, worker_id = self._request.names, self._request.outcome.worker_id
        piece, reply.piece = reply.piece, b""
        reply.stream, reply.opening = stream, None
        lines = stream_head(reply.headers, names, worker_id, self._prepared, self._verdict)
        self._start(reply, lines, has_length=False)
        self.is_mute = not (stream.has_begun or stream.is_callers)
        if not self.is_mute:
            self.note_words(at, is_stream=stream.has_begun)
        if piece:
            self._request.caller.write(piece)

    def document(self, reply: Reply, at: float) -> None:
        """Send the head of an answer that is no stream."""
        names, worker_id = self._request.names, self._request.outcome.worker_id
        headers = reply.headers
        lines = answer_head(headers, names, worker_id, self._prepared, self._verdict)
        has_length = any(name == b"content-length" for name, _ in headers)
        self._start(reply, lines, has_length=has_length)
        self.note_words(at, is_stream=False)

    def note_words(self, at: float, *, is_stream: bool) -> None:
        """Note when its first words came: when that is, is called TTFT."""
        self.is_mute = False
        self._request.outcome.first_at = at
        self._attempts.choice.first_token(is_stream=is_stream)

    def _start(self, reply: Reply, lines: Lines, *, has_length: bool) -> None:
        reply.has_begun = True
        self._request.caller.start(reply.status, lines, has_length=has_length)
