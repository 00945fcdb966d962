"""One worker's answers as a sequence of reads: sans-IO, over ``httptools``.

The parser is llhttp in its strict mode: a length beside chunking, two lengths, folded lines,
bare line feeds and bad chunk sizes are refused there. What it leaves open is bounded here:
how much may arrive that is not body, how many fields a head has, what follows an answer.
"""

from __future__ import annotations

from typing import Final

import httptools

from inference.fleet.http.heads import framing
from inference.http.lines import Headers

FIRST_FINAL: Final = 200
LAST_STATUS: Final = 599
BODILESS: Final = frozenset({204, 304})


class AnswerReader:
    """Reads answer after answer from one connection; ``begin`` before each.

    After a ``feed``: ``status`` is not 0 once the final head is complete, ``complete`` says
    that the body ended by its framing, ``fault`` is not empty if it cannot go on. Body bytes
    are returned by ``feed``, all those of one read as one piece.
    """

    __slots__ = (
        "_head_done",
        "_headers_max",
        "_informational",
        "_parser",
        "_pieces",
        "_spare",
        "_spare_max",
        "complete",
        "fault",
        "headers",
        "reusable",
        "status",
        "touched",
        "until_close",
    )

    def __init__(self, max_spare_bytes: int, max_headers: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._spare_max = max_spare_bytes
        self._headers_max = max_headers
        self.begin()

    def begin(self) -> None:
        """Get ready for the next answer on this connection."""
        self.status = 0
        self.headers: Headers = []
        self.complete = self.touched = self.until_close = False
        self.reusable = True
        self.fault = ""
        self._head_done = self._informational = False
        self._spare = 0
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """Take one read and return the body bytes in it."""
        self.touched = True
        headless = not self._head_done
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as failure:
            self._broken(failure)
        if headless:
            self._bound_head(len(data))
        pieces = self._pieces
        if not pieces:
            self._bound_spare(len(data))
            return b""
        self._pieces = []
        self._spare = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def at_eof(self) -> bool:
        """Say whether the answer is complete now that the worker has closed."""
        return self.complete or (self.until_close and not self.fault)

    def _broken(self, failure: Exception) -> None:
        self.reusable = False
        if not self.complete and not self.fault:
            self.fault = str(failure) or type(failure).__name__

    def _bound_head(self, size: int) -> None:
        # Only a read that could break the bound pays for the exact sum.
        if not self._head_done or self._spare + size <= self._spare_max:
            return
        if sum(len(name) + len(value) for name, value in self.headers) > self._spare_max:
            self.fault = "head too large"

    def _bound_spare(self, size: int) -> None:
        self._spare += size
        if self._spare > self._spare_max and not self.complete:
            self.fault = self.fault or "too many bytes that are not body"

    # What the parser calls, from within feed_data. Nothing here may raise: the parser would
    # wrap it. A second answer that nobody asked for makes the connection worthless, no more.

    def on_message_begin(self) -> None:
        """See the first byte of a status line."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; trailers are dropped."""
        if self._head_done:
            return
        if len(self.headers) >= self._headers_max:
            self.fault = "too many header fields"
            return
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Tell an informational head from the final one."""
        if self._head_done:
            return
        status = self._parser.get_status_code()
        if status < FIRST_FINAL:
            self._informational = True
            self.headers = []
            return
        framed, wrong = framing(self.headers)
        if wrong or status > LAST_STATUS:
            self.fault = wrong or "no such status"
        self.status = status
        self._head_done = True
        self.until_close = not framed and status not in BODILESS

    def on_body(self, data: bytes) -> None:
        """Take a piece of body."""
        if not self.complete:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """See the end of an answer, or of an informational head."""
        if self._informational:
            self._informational = False
        elif not self.complete:
            self.complete = True
            self.reusable = self.reusable and self._parser.should_keep_alive()
