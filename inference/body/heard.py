"""What the events of a stream say, one after the other: words, usage, errors, ends."""

from __future__ import annotations

from typing import Any, Final

from inference.body.claims import Seen
from inference.body.texts import NO_JSON, choices_of, news_in, parsed, sum_in
from inference.body.tokens import BYTES_PER_TOKEN, Usage, merged, read_usage, usage_of

LAST_WORDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "message_stop", "error"}
)
"""Types of events after which nothing follows, in dialects without ``[DONE]``."""

_DONE: Final = b"[DONE]"
_CALLERS: Final = frozenset({400, 404, 413, 422})
_CALLERS_WORDS: Final = frozenset(
    {"invalid_request_error", "badrequesterror", "bad_request", "invalid_request"}
)


class Heard:
    """Counts of what was said.

    ``usage``: what the engine claimed last. ``done``: it said ``[DONE]``; ``is_over``: its last
    word, in whatever dialect. ``events``:
    blocks with data that were relayed. ``deltas``: pieces with generated text in them, which
    for most engines is one token each; ``text_bytes``: bytes of that text. ``has_begun``: an
    answer has begun, be it without words. ``has_failed``: it reported an error, which
    ``is_callers`` says is about the request itself.
    """

    __slots__ = (
        "_choices",
        "_claim",
        "_claimed_at",
        "_ended",
        "_sum_bytes",
        "deltas",
        "done",
        "events",
        "has_begun",
        "has_failed",
        "is_callers",
        "is_over",
        "passing",
        "text_bytes",
        "usage",
    )

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._claim: Usage | None = None
        self.done = self.is_over = False
        self.has_begun = self.has_failed = self.is_callers = False
        self.events = 0
        self.deltas = 0
        self.text_bytes = 0
        self._sum_bytes = 0
        self.passing = 0
        """Bytes of a block that is on its way, and too large to be read."""
        self._claimed_at = 0
        self._choices: set[int] = set()
        self._ended: set[int] = set()

    @property
    def has_text(self) -> bool:
        """Say whether there were words."""
        return self.deltas > 0 or self._sum_bytes > 0

    @property
    def is_bare(self) -> bool:
        """Say whether all that can be said of it is that there was no answer."""
        if self.has_failed:
            return not self.is_callers and not self.has_text
        return self.is_over and not self.has_begun

    @property
    def has_ended(self) -> bool:
        """Say whether it said that it is complete: at the end, or of each choice."""
        return self.is_over or (bool(self._choices) and self._ended >= self._choices)

    @property
    def tokens(self) -> int:
        """Count the tokens of the answer so far: the largest of what speaks for any."""
        size = max(self.text_bytes + self.passing, self._sum_bytes)
        count = max(self.deltas, size // BYTES_PER_TOKEN)
        claim = self._claim
        if claim is not None and claim.tokens_out > count:
            count = claim.tokens_out
        return count

    @property
    def tokens_in(self) -> int:
        """Return what the engine claimed of the prompt so far."""
        return 0 if self._claim is None else self._claim.tokens_in

    def seen(self) -> Seen:
        """Say what came, to be held against what is claimed."""
        seen = Seen()
        seen.pieces = self.deltas
        seen.text_bytes = max(self.text_bytes, self._sum_bytes)
        seen.claim = self._claim
        seen.is_last = self._claimed_at == self.deltas
        seen.answers = max(len(self._choices), 1)
        is_claimed = self._claim is not None and not self.has_failed
        seen.is_given = self.has_text or is_claimed
        return seen

    def hear(self, payload: bytes) -> Any:
        """Take the data of an event; returns it parsed."""
        if payload == _DONE:
            self.done = self.is_over = True
            return NO_JSON
        document = parsed(payload)
        if document is NO_JSON:
            if payload:
                self._add([len(payload)])
            return document
        self._add(news_in(document))
        if isinstance(document, dict):
            self._hear_facts(document)
        return document

    def hear_large(self, front: bytes, size: int, tail: bytes) -> None:
        """Take an event too large to be read, by its ends."""
        self.has_begun = True
        if b'"choices"' in front or b'"delta"' in front:
            self._add([size])
        else:
            self._sum_bytes = max(self._sum_bytes, size)
        self._take_claim(read_usage(tail) or read_usage(tail, depth=2))

    def hear_error(self) -> None:
        """Learn that an event is an error by its name."""
        self.has_failed = True

    def _add(self, sizes: list[int]) -> None:
        if sizes:
            self.has_begun = True
            self.deltas += len(sizes)
            self.text_bytes += sum(sizes)

    def _hear_facts(self, document: dict[str, Any]) -> None:
        self._sum_bytes = max(self._sum_bytes, sum_in(document))
        self._take_claim(usage_of(document))
        for at, choice in enumerate(choices_of(document)):
            self._hear_choice(at, choice)
        kind = document.get("type")
        if isinstance(kind, str) and kind in LAST_WORDS:
            self.is_over = True
        if is_error(document):
            self.has_failed = True
            self.is_callers = self.is_callers or is_callers_fault(document)
        elif document.get("choices") or kind is not None:
            self.has_begun = True

    def _hear_choice(self, at: int, choice: Any) -> None:
        if not isinstance(choice, dict):
            return
        index = choice.get("index")
        number = index if isinstance(index, int) else at
        self._choices.add(number)
        if choice.get("finish_reason"):
            self._ended.add(number)

    def _take_claim(self, usage: Usage | None) -> None:
        if usage is not None:
            self.has_begun = True
            self.usage = usage
            self._claim = merged(self._claim, usage)
            self._claimed_at = self.deltas


def is_error(document: dict[str, Any]) -> bool:
    """Say whether an answer, or an event of a stream, is an error."""
    if document.get("error"):
        return True
    whole = document.get("response")
    if isinstance(whole, dict) and whole.get("error"):
        return True
    return document.get("object") == "error" or document.get("type") == "error"


def is_callers_fault(document: dict[str, Any]) -> bool:
    """Say whether an error is about the request, so that no other worker will do better."""
    error = document.get("error")
    facts = error if isinstance(error, dict) else document
    said = [facts.get(name) for name in ("code", "status", "status_code", "type")]
    words = [one.lower() for one in said if isinstance(one, str)]
    numbers = {one for one in said if isinstance(one, int)}
    numbers |= {int(word) for word in words if word.isdecimal() and len(word) == 3}  # noqa: PLR2004
    return bool(numbers & _CALLERS) or not _CALLERS_WORDS.isdisjoint(words)
