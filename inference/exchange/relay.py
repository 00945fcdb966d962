"""Relay: take a worker's answer, and pass it on as what it is.

Until the first byte of an answer was sent another worker may take over, twice at most. So the
head of an answer waits for its first words, or for the first piece and the next: what turns
out to be no answer (an error in a 200, a login page, nothing at all) is not passed off as one.
From then on what was sent can't be taken back: a stream that breaks says so in the stream, any
other answer is cut off. Whatever happens, the exchange is concluded once, before the last byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from inference.admission.ports import Verdict
from inference.body.frames import HOLD_MAX
from inference.body.plain import FOREIGN, STREAM, UNKNOWN, Document, kind_of, opens_with_error
from inference.body.prepare import Prepared
from inference.body.sse import StreamFilter
from inference.exchange.attempts import Attempts
from inference.exchange.beginning import Beginning
from inference.exchange.conclusion import Conclusion
from inference.exchange.cover import Cover
from inference.exchange.erring import words_of
from inference.exchange.head_start import HeadStart
from inference.exchange.reply import EVENT_STREAM, NOT_OK, OK, Reply
from inference.exchange.request import Request
from inference.exchange.upload import Upload
from inference.fleet.ports import Answer, WorkerFailed
from inference.gate.passed import Passed
from inference.http.lines import Headers
from inference.http.problems import Refused
from inference.telemetry.outcome import ONLY_READ

LINGER_S: Final = 0.05
"""How long a worker that has said its last word may take to end its answer in good order, which
keeps the connection. Its caller waits no longer."""


class Relay(Answer):
    """Takes what the worker says that is asked, as ``fleet.ports.Answer``. See the module.

    A document is sent one piece behind, so that its last byte leaves only when the request was
    settled. ``last_at``: when the worker said something last.
    """

    __slots__ = (
        "_beginning",
        "_idle_s",
        "_is_lingering",
        "_now",
        "_operation",
        "_prepared",
        "_request",
        "_upload",
        "_write",
        "attempts",
        "conclusion",
        "cover",
        "last_at",
        "reply",
    )

    def __init__(
        self,
        request: Request,
        upload: Upload,
        passed: Passed,
        prepared: Prepared,
        verdict: Verdict,
    ) -> None:
        self._request = request
        self._upload = upload
        self._prepared = prepared
        self._operation = request.head.target.rest
        self._idle_s = passed.route.terms.idle_timeout_s
        self._now: Callable[[], float] = request.plane.now
        self._write: Callable[[bytes], None] = request.caller.write
        self._is_lingering = False
        self.attempts = Attempts(request, passed, prepared, verdict.limits, self)
        self.cover = Cover(request, self.attempts, passed.route, prepared, verdict.hold_tokens)
        self._beginning = Beginning(request, self.attempts, prepared, verdict)
        self.conclusion = Conclusion(request, self.attempts, self.cover)
        self.reply = Reply()
        self.last_at = 0.0

    def begin(self, early: HeadStart | None) -> None:
        """Have a worker asked, and a body that is large sent up to it."""
        self.attempts.begin(early)
        if not self._request.is_over:
            self._upload.begin_sending(self.attempts, self.cover)

    # ── The worker answers ─────────────────────────────────────────────────────────────

    def on_head(self, status: int, headers: Headers) -> None:
        """Turn to another worker, or wait for what its answer is."""
        is_success = OK <= status < NOT_OK
        if not is_success and self.attempts.takes(status, b"retry-after" in dict(headers)):
            return
        self.attempts.choice.began()
        self.last_at = self._now()
        self.reply.take_head(status, headers, self._operation)
        if self.reply.is_stream:
            self._wait_in_stream()

    def _wait_in_stream(self) -> None:
        silence_end = self.last_at + self._request.plane.config.waits.silence_s
        self._request.wait_until(min(silence_end, self.idle_end()))

    def idle_end(self) -> float:
        """Return when a stream that says nothing more is given up."""
        return self.last_at + self._idle_s

    def on_drain(self) -> None:
        """Let the caller send on."""
        self._upload.resume()

    def on_data(self, data: bytes) -> None:
        """Pass a piece on: at once in a stream; else all but the last, which waits for the end."""
        self.last_at = self._now()
        stream = self.reply.stream
        if stream is None:
            self._on_early_data(data)
            return
        relayed = stream.feed(data)
        if relayed:
            self._write(relayed)
        if self._beginning.is_mute and stream.has_begun:
            self._beginning.note_words(self.last_at, is_stream=True)
        self._after_data(stream)

    def _after_data(self, stream: StreamFilter) -> None:
        cover = self.cover
        if cover.hold is not None:
            cover.renew_by(stream)
        if stream.is_over and not self._is_lingering:
            self._is_lingering = True
            self._request.wait_until(self.last_at + LINGER_S)

    def _on_early_data(self, data: bytes) -> None:
        reply = self.reply
        if reply.document is not None:
            self._on_piece(reply.document, data)
        elif reply.opening is not None:
            self._open_stream(reply.opening, data)
        else:
            reply.front += data
            kind = kind_of(reply.front, reply.media)
            if kind != UNKNOWN or len(reply.front) > HOLD_MAX:
                self._become(kind)

    def _become(self, kind: int) -> None:
        """Take an answer as what it has shown to be."""
        reply = self.reply
        front, reply.front = reply.front, b""
        if kind == STREAM:
            reply.opening = StreamFilter(drop_usage=self._prepared.drop_usage)
            if reply.media != EVENT_STREAM:
                self._wait_in_stream()
            self._open_stream(reply.opening, front)
        elif kind == FOREIGN:
            self._no_answer("It is not one that this operation has.")
        else:
            reply.document = Document(self._operation, is_encoded=False)
            self._on_piece(reply.document, front)

    def _on_piece(self, document: Document, data: bytes) -> None:
        reply = self.reply
        held, reply.piece = reply.piece, data
        if not held:
            return
        if not reply.has_begun:
            if reply.status < NOT_OK and opens_with_error(held):
                self._no_answer(words_of(held))
                return
            self._beginning.document(self.reply, self.last_at)
        document.take(held)
        self._write(held)

    def _open_stream(self, stream: StreamFilter, data: bytes) -> None:
        """Keep what came until an answer has begun."""
        reply = self.reply
        reply.piece += stream.feed(data)
        if stream.is_bare:
            self._no_answer(words_of(reply.piece.partition(b"data:")[2].strip()))
        elif stream.has_begun or stream.is_callers or len(reply.piece) > HOLD_MAX:
            self._beginning.stream(self.reply, stream, self.last_at)
            self._after_data(stream)

    # ── The answer begins ──────────────────────────────────────────────────────────────

    def begin_early(self) -> StreamFilter:
        """Begin a stream that is silent for long: its caller is to know that somebody is there."""
        reply = self.reply
        stream = reply.opening or StreamFilter(drop_usage=self._prepared.drop_usage)
        front, reply.front = reply.front, b""
        reply.piece += stream.feed(front)
        self._beginning.stream(self.reply, stream, self.last_at)
        return stream

    def _no_answer(self, words: str) -> None:
        reply, self.reply = self.reply, Reply()
        self.attempts.on_no_answer(reply.status, words)

    # ── The answer ends ────────────────────────────────────────────────────────────────

    def on_end(self) -> None:
        """Complete the answer, if it is complete."""
        reply = self.reply
        self.attempts.call.forget()
        if reply.document is not None:
            self._end_document(reply.document)
        elif reply.stream is not None:
            self.conclusion.end_stream(reply, reply.stream, reply.stream.finish())
        elif reply.opening is not None:
            self._end_opening(reply.opening)
        else:
            self._no_answer("")

    def _end_opening(self, stream: StreamFilter) -> None:
        reply = self.reply
        reply.piece += stream.finish()
        if stream.is_bare or not (stream.has_begun or stream.is_callers):
            self._no_answer(words_of(reply.piece.partition(b"data:")[2].strip()))
            return
        self._beginning.stream(self.reply, stream, self.last_at)
        self.conclusion.end_stream(reply, stream, b"")

    def _end_document(self, document: Document) -> None:
        reply = self.reply
        piece, reply.piece = reply.piece, b""
        document.take(piece)
        if reply.status >= NOT_OK:
            if not reply.has_begun:
                self._beginning.document(self.reply, self.last_at)
            self.conclusion.finish(reply, None, "refused", "", piece)
            return
        is_reading = self._request.outcome.operation in ONLY_READ
        seen = document.read(self._prepared.n, reads_only=is_reading)
        if not seen.is_given and not reply.has_begun and not document.is_callers:
            self._no_answer(words_of(piece))
            return
        if not reply.has_begun:
            self._beginning.document(self.reply, self.last_at)
        self.conclusion.end_document(reply, document, seen, piece)

    def on_fail(self, failure: WorkerFailed) -> None:
        """Turn to another worker, or break off what has begun."""
        reply, stream, attempts = self.reply, self.reply.stream, self.attempts
        attempts.call.forget()
        if stream is not None and stream.is_over:
            # It said its last word; what it does then is its own.
            self.conclusion.end_stream(reply, stream, b"")
            return
        attempts.note_failure(failure)
        if reply.has_begun:
            self.conclusion.break_off(reply, "upstream_disconnected", "The worker broke off.")
        else:
            self.reply = Reply()
            attempts.ask()

    # ── What others have to say of it ──────────────────────────────────────────────────

    def on_held(self) -> None:
        """Go on with what waited until more was held."""
        closing = self.cover.closing
        if closing is None:
            self._upload.go_on_holding()
        elif self.cover.may_end(closing):
            self.conclusion.close(self.reply, closing)

    def end(self, refusal: Refused) -> None:
        """End the answer for a reason of ours: as an ordinary error if it has not begun."""
        closing = self.cover.closing
        if closing is not None:
            self.conclusion.close(self.reply, closing)
        elif not self.reply.has_begun:
            self.attempts.refuse(refusal)
        else:
            self.conclusion.break_off(self.reply, refusal.code, refusal.message)
