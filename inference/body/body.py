"""A request body: gathered whole while it is small, passed up as it comes when it is large.

A whole body can be read before anyone is asked, changed anywhere, and sent to a second worker
if the first one fails. A large one can't: what a retry would need is not kept, so there is
none, and only usage is asked for on the way (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Callable

from inference.body.json_members import Malformed
from inference.body.prepare import GENERATING, Prepared
from inference.body.room import SLICE_TOKENS, TOKENS_MAX, longest_answer
from inference.body.streamed_splice import StreamedSplice
from inference.body.tokens import estimate_tokens
from inference.contracts.entries import Route
from inference.http.problems import Refused

SLICE_BYTES = 32 * 1024
"""Bytes read at once, whatever they are: a millisecond or two at worst."""

TURN_S = 0.002
"""How long slices are read one after the other before others have their turns."""

BEHIND_BYTES = 512 * 1024
"""What may wait to be read before the caller has to wait, too."""


class Body:
    """What has arrived of a request body and was not used yet."""

    __slots__ = ("_at", "_chunks", "_splice", "is_complete", "is_sent", "size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._at = 0
        self._splice: StreamedSplice | None = None
        self.is_complete = False
        self.is_sent = False
        """Whether the worker was told that it is complete."""
        self.size = 0

    @property
    def is_passing(self) -> bool:
        """Say whether it is passed up as it comes."""
        return self._splice is not None

    @property
    def is_behind(self) -> bool:
        """Say whether some of what came was not passed up yet."""
        return bool(self._chunks)

    @property
    def is_far_behind(self) -> bool:
        """Say whether so much waits that no more should come for now."""
        return sum(map(len, self._chunks)) - self._at > BEHIND_BYTES

    @property
    def is_through(self) -> bool:
        """Say whether all of it was passed up."""
        return self.is_complete and not self._chunks

    def serve_as(self, name: str) -> None:
        """Name the model as its worker does, if that minds. Before anything is passed on."""
        if self._splice is not None:
            self._splice.served_name = name

    def take(self, data: bytes) -> None:
        """Take a piece."""
        self.size += len(data)
        self._chunks.append(data)

    def whole(self) -> bytes:
        """Hand out everything."""
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def begin_passing(self, operation: str, announced: int) -> Prepared:
        """Pass it up from now on. Its size is what it says, or what came so far."""
        self._splice = StreamedSplice(ask_usage=operation in GENERATING, operation=operation)
        size = max(announced, self.size)
        return Prepared(None, size, streaming=True, n=1, limit=None)

    def pass_on(self, prepared: Prepared, now: Callable[[], float]) -> bytes:
        """Return what goes up next, and note in ``prepared`` what was learned. Raises ``Refused``.

        As much as can be read without keeping others waiting.
        """
        turn_end = now() + TURN_S
        pieces = [self._next(prepared)]
        while self._chunks and now() < turn_end:
            pieces.append(self._next(prepared))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _next(self, prepared: Prepared) -> bytes:
        splice = self._splice
        assert splice is not None  # noqa: S101 - passing has begun
        try:
            data = splice.feed(self._slice())
            if self.is_through:
                splice.finish()
                prepared.streaming, prepared.prompt_bytes = splice.streaming, splice.prompt_bytes
                prepared.n, prepared.limit = splice.answers, splice.limit
        except Malformed as fault:
            raise Refused(fault.code, fault.message, fault.param) from fault
        prepared.drop_usage = splice.added_usage
        prepared.prompt_tokens = max(prepared.prompt_tokens, estimate_tokens(self.size))
        return data

    def _slice(self) -> bytes:
        if not self._chunks:
            return b""
        chunk, end = self._chunks[0], self._at + SLICE_BYTES
        piece = chunk[self._at : end]
        self._at = end
        if end >= len(chunk):
            self._at = 0
            del self._chunks[0]
        return piece

    def tokens(self, prepared: Prepared, route: Route) -> int:
        """Return how many tokens have to be held for what has come of it.

        A whole one says how many answers it wants, and whether they can be broken off: those
        that can't are held in full, the others by their first slice.
        """
        prompt = prepared.prompt_tokens
        if not self.is_through or route.task != "generate":
            return prompt
        each = longest_answer(route, prompt, prepared.limit, prepared.n)
        held = min(each, SLICE_TOKENS) if prepared.streaming else each
        return prompt + min(prepared.n * held, TOKENS_MAX)
