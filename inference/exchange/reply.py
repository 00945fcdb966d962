"""The reply of one worker (response state): what has come of it, and what it has shown to be."""

from __future__ import annotations

from typing import Final

from inference.body.claims import Seen
from inference.body.plain import Document, media_type
from inference.body.sse import StreamFilter
from inference.http.lines import Headers

OK: Final = 200
NOT_OK: Final = 300
EVENT_STREAM: Final = b"text/event-stream"


class Reply:
    """What there is of an answer. Another worker's takes its place while nothing was sent.

    It is ``front`` until it shows what it is: a stream, then watched by ``opening`` until it has
    begun and by ``stream`` from then on, or a ``document``. ``piece`` was taken and not sent yet.
    """

    __slots__ = (
        "document",
        "front",
        "has_begun",
        "headers",
        "media",
        "opening",
        "piece",
        "status",
        "stream",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.media = self.front = self.piece = b""
        self.opening: StreamFilter | None = None
        self.stream: StreamFilter | None = None
        self.document: Document | None = None
        self.has_begun = False
        """Whether something of it was sent to the caller."""

    def take_head(self, status: int, headers: Headers, operation: str) -> None:
        """Take its head, which says of some what they are."""
        shown = dict(headers)
        self.status, self.headers = status, headers
        self.media = media_type(shown.get(b"content-type", b""))
        is_encoded = b"content-encoding" in shown
        if is_encoded or status >= NOT_OK:
            self.document = Document(operation, is_encoded=is_encoded)

    @property
    def is_success(self) -> bool:
        """Say whether its status says that all is well."""
        return OK <= self.status < NOT_OK

    @property
    def is_stream(self) -> bool:
        """Say whether it is a stream that has not begun, or says that it will be one."""
        if self.opening is not None:
            return True
        return self.is_success and self.media == EVENT_STREAM and self.document is None

    def seen(self) -> Seen | None:
        """Say what came of it if it was not completed."""
        if not self.is_success:
            return None
        if self.stream is not None:
            seen = self.stream.seen()
            seen.is_accepted = not self.stream.has_failed
            return seen
        seen = Seen() if self.document is None else self.document.cut_off()
        seen.is_accepted = True
        return seen
