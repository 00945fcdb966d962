"""An answer that comes as one document: what kind it is, and what it says of its tokens.

What was asked for does not decide how an answer is read; what came does. Up to ``ANSWER_MAX``
the pieces are kept and read once it is whole; of a larger one only the top level is followed
as it passes, for its usage.
"""

from __future__ import annotations

import re
from typing import Any, Final

from inference.body.claims import Seen
from inference.body.fast_read import ANSWER_MAX, usage_in
from inference.body.heard import is_callers_fault, is_error
from inference.body.json_members import Malformed
from inference.body.json_stream import TopLevel
from inference.body.texts import NO_JSON, choices_of, parsed, words_in
from inference.body.tokens import Usage, read_usage, usage_from, usage_of

# What the first bytes of an answer tell.
UNKNOWN: Final = 0
STREAM: Final = 1
DOCUMENT: Final = 2
FOREIGN: Final = 3

_BOM: Final = b"\xef\xbb\xbf"
_FIELD: Final = re.compile(rb"(?:data|event|id|retry)?:")
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:")
_OPENS_WITH_ERROR: Final = re.compile(rb'\s*\{\s*"(?:error"\s*:\s*[^n\s]|object"\s*:\s*"error")')
_USAGE_MAX: Final = 8192


def media_type(value: bytes) -> bytes:
    """Return a ``Content-Type`` without its parameters, in lower case (RFC 9110 8.3.1)."""
    return value.partition(b";")[0].strip().lower()


def kind_of(front: bytes, media: bytes) -> int:
    """Say what an answer is by its first bytes, and by its type where those leave it open."""
    solid = front.removeprefix(_BOM).lstrip()
    if not solid or any(field.startswith(solid) for field in _FIELDS):
        return UNKNOWN
    if _FIELD.match(solid):
        return STREAM
    if solid[:1] in b"{[":
        return DOCUMENT
    if media == b"text/event-stream":
        return STREAM
    is_json = media == b"application/json" or media.endswith(b"+json")
    return DOCUMENT if is_json and solid[:1] != b"<" else FOREIGN


def opens_with_error(front: bytes) -> bool:
    """Say whether a document begins as that of an error does."""
    return _OPENS_WITH_ERROR.match(front) is not None


class Document:
    """Takes the pieces of an answer; ``read`` once it is whole.

    ``has_failed``: it is an error, which ``is_callers`` says is about the request itself.
    """

    __slots__ = ("_operation", "_pieces", "_top", "has_failed", "is_callers", "is_encoded", "size")

    def __init__(self, operation: str, *, is_encoded: bool) -> None:
        self._operation = operation
        self._pieces: list[bytes] = []
        self._top: _Top | None = None
        self.is_encoded = is_encoded
        self.has_failed = self.is_callers = False
        self.size = 0

    def take(self, data: bytes) -> None:
        """Take a piece."""
        self.size += len(data)
        if self._top is not None:
            self._top.take(data)
        elif not self.is_encoded:
            self._pieces.append(data)
            if self.size > ANSWER_MAX:
                self._let_go()

    def cut_off(self) -> Seen:
        """Say what came of one that broke off: a part, which is as much as its bytes."""
        seen = Seen()
        seen.size = self.size
        seen.is_given = self.size > 0 and not self.has_failed
        return seen

    def read(self, answers: int, *, reads_only: bool) -> Seen:
        """Say what came, where so many answers were asked for."""
        seen = self.cut_off()
        if self.is_encoded:
            return seen
        if self._top is not None:
            self._read_large(self._top, seen)
            return seen
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        figures = usage_in(whole) if answers == 1 else None
        if figures is not None and figures[0] and (figures[1] or reads_only):
            seen.claim = Usage(*figures)
        else:
            self._read_carefully(whole, seen)
        return seen

    def _let_go(self) -> None:
        self._top = _Top()
        for piece in self._pieces:
            self._top.take(piece)
        self._pieces = []

    def _read_large(self, top: _Top, seen: Seen) -> None:
        seen.pieces = 1
        seen.claim = top.usage()
        self.has_failed = top.has_error and not top.has_choices
        seen.is_given = not self.has_failed

    def _read_carefully(self, whole: bytes, seen: Seen) -> None:
        document = parsed(whole)
        if document is NO_JSON:
            seen.claim = read_usage(whole)
            seen.is_given = whole.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")
            seen.pieces = 1
            return
        self._read_words(document, seen)
        if isinstance(document, dict):
            seen.claim = usage_of(document)
            self.has_failed = is_error(document)
            self.is_callers = self.has_failed and is_callers_fault(document)
        has_words = seen.pieces > 0
        if self.has_failed:
            seen.is_given = has_words and bool(choices_of(document))
        else:
            seen.is_given = self._is_answer(document) or seen.claim is not None

    def _read_words(self, document: Any, seen: Seen) -> None:
        choices = choices_of(document)
        sizes = [words_in(choice) for choice in choices] or [words_in(document)]
        seen.pieces = sum([size > 0 for size in sizes])
        seen.text_bytes = sum(sizes)
        seen.answers = max(len(choices), 1)

    def _is_answer(self, document: Any) -> bool:
        """Say whether it is what was asked for, as far as that shows."""
        if self._operation in ("chat/completions", "completions"):
            return bool(choices_of(document))
        return isinstance(document, dict | list) and bool(document)


class _Top(TopLevel):
    """Finds the usage of an answer that is too large to be kept, wherever it stands."""

    def __init__(self) -> None:
        super().__init__()
        self._usage = b""
        self._from = -1
        self._is_lost = False
        self.has_error = self.has_choices = False

    def take(self, data: bytes) -> None:
        """Follow it, as long as it is JSON."""
        if self._is_lost:
            return
        try:
            self.follow(data)
        except Malformed:
            self._is_lost = True
        if self._from >= 0:
            self._keep(data[self._from :])
            self._from = 0

    def value_starts(self, data: bytes, at: int) -> None:
        """Begin to keep the usage."""
        if self.name == "usage":
            self._usage = b""
            self._from = at
        elif self.name == "error":
            self.has_error = data[at : at + 1] != b"n"
        elif self.name == "choices":
            self.has_choices = True

    def value_ends(self, data: bytes, at: int) -> None:
        """Have kept it."""
        if self._from >= 0:
            self._keep(data[self._from : at])
            self._from = -1

    def usage(self) -> Usage | None:
        """Return what it says."""
        usage = None if self._is_lost else parsed(self._usage)
        return usage_from(usage) if isinstance(usage, dict) else None

    def _keep(self, data: bytes) -> None:
        if len(self._usage) <= _USAGE_MAX:
            self._usage += data
