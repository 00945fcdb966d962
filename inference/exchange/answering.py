"""Take a worker's answer, and pass it on as what it is.

Until the first byte of an answer was sent another worker may take over, twice at most. So the
head of an answer waits for its first words, or for the first piece and the next: what turns
out to be no answer (an error in a 200, a login page, nothing at all) is not passed off as one.
From then on what was sent can't be taken back: a stream that breaks says so in the stream, any
other answer is cut off. Whatever happens, the exchange is concluded once, before the last byte.
"""

from __future__ import annotations

from typing import Final

from inference.body.frames import HOLD_MAX
from inference.body.plain import (
    FOREIGN,
    STREAM,
    UNKNOWN,
    Document,
    kind_of,
    media_type,
    opens_with_error,
)
from inference.body.prepare import GENERATING
from inference.body.sse import StreamFilter
from inference.exchange.answer_head import answer_head, stream_head
from inference.exchange.concluding import NOT_OK, OK, Concluding
from inference.exchange.erring import words_of
from inference.fleet.ports import WorkerFailed
from inference.http.lines import Headers, Lines
from inference.http.problems import Refused
from inference.telemetry.outcome import ONLY_READ

LINGER_S: Final = 0.05
"""How long a worker that has said its last word may take to end its answer in good order, which
keeps the connection. Its caller waits no longer."""
EVENT_STREAM: Final = b"text/event-stream"
HAVE_ENDS: Final = GENERATING | {"responses"}
"""Operations whose streams say that they are complete."""


class Answering(Concluding):
    """The third part of a relay: it takes the answer, as ``fleet.ports.Answer``.

    An answer is ``_front`` until it shows what it is: a stream, then watched by ``_opening``
    until it has begun and by ``_filter`` from then on, or a document, which is sent one piece
    behind, so that its last byte leaves only when the request was settled.
    """

    __slots__ = ()

    # ── The worker answers ─────────────────────────────────────────────────────────────

    def on_head(self, status: int, headers: Headers) -> None:
        """Turn to another worker, or wait for what its answer is."""
        exchange = self._exchange
        plane = exchange.plane
        shown = dict(headers)
        if not OK <= status < NOT_OK and self._is_ours(status, has_wait=b"retry-after" in shown):
            return
        self._choice.began()
        self._status, self._headers = status, headers
        self._last_at = plane.now()
        self._media = media_type(shown.get(b"content-type", b""))
        is_encoded = b"content-encoding" in shown
        if is_encoded or status >= NOT_OK:
            self._document = Document(self._path[1:], is_encoded=is_encoded)
        elif self._media == EVENT_STREAM:
            self._wait_in_stream()

    def _wait_in_stream(self) -> None:
        silence_end = self._last_at + self._exchange.plane.config.waits.silence_s
        self._exchange.wait_until(min(silence_end, self._idle_end()))

    def on_data(self, data: bytes) -> None:
        """Pass a piece on: at once in a stream; else all but the last, which waits for the end."""
        self._last_at = self._exchange.plane.now()
        watch = self._filter
        if watch is None:
            self._on_early_data(data)
            return
        relayed = watch.feed(data)
        if relayed:
            self._write(relayed)
        self._after_data(watch)

    def _after_data(self, watch: StreamFilter) -> None:
        if self._hold is not None:
            self._renew_by(watch)
        if watch.is_over and not self._is_lingering:
            self._is_lingering = True
            self._exchange.wait_until(self._last_at + LINGER_S)

    def _on_early_data(self, data: bytes) -> None:
        if self._document is not None:
            self._on_piece(self._document, data)
        elif self._opening is not None:
            self._open_stream(self._opening, data)
        else:
            self._front += data
            kind = kind_of(self._front, self._media)
            if kind != UNKNOWN or len(self._front) > HOLD_MAX:
                self._become(kind)

    def _become(self, kind: int) -> None:
        """Take an answer as what it has shown to be."""
        front, self._front = self._front, b""
        if kind == STREAM:
            self._opening = StreamFilter(drop_usage=self._prepared.drop_usage)
            if self._media != EVENT_STREAM:
                self._wait_in_stream()
            self._open_stream(self._opening, front)
        elif kind == FOREIGN:
            self._no_answer("It is not one that this operation has.")
        else:
            self._document = Document(self._path[1:], is_encoded=False)
            self._on_piece(self._document, front)

    def _on_piece(self, document: Document, data: bytes) -> None:
        held, self._piece = self._piece, data
        if not held:
            return
        if not self._has_begun:
            if self._status < NOT_OK and opens_with_error(held):
                self._no_answer(words_of(held))
                return
            self._begin_document()
        document.take(held)
        self._write(held)

    def _open_stream(self, watch: StreamFilter, data: bytes) -> None:
        """Keep what came until an answer has begun."""
        self._piece += watch.feed(data)
        if watch.is_bare:
            self._no_answer(words_of(self._piece.partition(b"data:")[2].strip()))
        elif watch.has_begun or watch.is_callers or len(self._piece) > HOLD_MAX:
            self._begin_stream(watch)
            self._after_data(watch)

    # ── The answer begins ──────────────────────────────────────────────────────────────

    def _begin_stream(self, watch: StreamFilter) -> None:
        """Send the head and what was kept: from here on no other worker can take over."""
        outcome, piece = self._exchange.outcome, self._piece
        self._filter, self._opening, self._piece = watch, None, b""
        self._start(
            stream_head(
                self._headers, outcome.names, outcome.worker_id, self._prepared, self._verdict
            ),
            has_length=False,
        )
        if piece:
            self._write(piece)

    def _begin_document(self) -> None:
        outcome = self._exchange.outcome
        self._start(
            answer_head(
                self._headers, outcome.names, outcome.worker_id, self._prepared, self._verdict
            ),
            has_length=any(name == b"content-length" for name, _ in self._headers),
        )

    def _start(self, lines: Lines, *, has_length: bool) -> None:
        self._has_begun = True
        self._exchange.outcome.first_at = self._last_at
        self._exchange.caller.start(self._status, lines, has_length=has_length)

    def _no_answer(self, words: str) -> None:
        """Turn to another worker: what this one sent is no answer. It is held against nobody."""
        self._choice.answered_error(self._status)
        said = f"The engine answered {self._status}, but gave no answer"
        self._error = Refused("upstream_error", f"{said}: {words}" if words else f"{said}.")
        self._errors += 1
        self._drop_call()
        self._forget_answer()
        self._turn_on()

    # ── The answer ends ────────────────────────────────────────────────────────────────

    def on_end(self) -> None:
        """Complete the answer, if it is complete."""
        self._call = None
        if self._document is not None:
            self._end_document(self._document)
        elif self._filter is not None:
            self._end_stream(self._filter, self._filter.finish())
        elif self._opening is not None:
            self._end_opening(self._opening)
        else:
            self._no_answer("")

    def _end_opening(self, watch: StreamFilter) -> None:
        self._piece += watch.finish()
        if watch.is_bare or not (watch.has_begun or watch.is_callers):
            self._no_answer(words_of(self._piece.partition(b"data:")[2].strip()))
            return
        self._begin_stream(watch)
        self._end_stream(watch, b"")

    def _end_stream(self, watch: StreamFilter, last: bytes) -> None:
        if watch.has_failed:
            # Its own words stand in the stream.
            broke = ("refused", "") if watch.is_callers else ("worker_broke", "upstream_error")
            self._finish(watch.seen(), *broke, last)
        elif not watch.has_begun:
            self._break("upstream_error", "The worker gave no answer.", last)
        elif not watch.has_ended and self._path[1:] in HAVE_ENDS:
            self._break("upstream_disconnected", "The worker ended its stream early.", last)
        else:
            self._complete(watch.seen(), last)

    def _end_document(self, document: Document) -> None:
        piece, self._piece = self._piece, b""
        document.take(piece)
        if self._status >= NOT_OK:
            self._pass_refusal(piece)
            return
        is_reading = self._exchange.outcome.operation in ONLY_READ
        seen = document.read(self._prepared.n, reads_only=is_reading)
        if not seen.is_given and not self._has_begun and not document.is_callers:
            self._no_answer(words_of(piece))
            return
        if not self._has_begun:
            self._begin_document()
        if seen.is_given:
            self._complete(seen, piece)
        else:
            broke = ("refused", "") if document.is_callers else ("worker_broke", "upstream_error")
            self._finish(seen, *broke, piece)

    def _pass_refusal(self, piece: bytes) -> None:
        if not self._has_begun:
            self._begin_document()
        self._finish(None, "refused", "", piece)

    def on_fail(self, failure: WorkerFailed) -> None:
        """Turn to another worker, or break off what has begun."""
        self._call = None
        watch = self._filter
        if watch is not None and watch.is_over:
            self._end_stream(watch, b"")  # It said its last word; what it does then is its own.
            return
        self._choice.failed()
        if not self._has_begun:
            self._forget_answer()
            self._ask()
        else:
            self._break("upstream_disconnected", "The worker broke off.")

    def _is_stream(self) -> bool:
        """Say whether it is a stream, or says that it will be one."""
        return self._opening is not None or (
            OK <= self._status < NOT_OK and self._media == EVENT_STREAM and self._document is None
        )
