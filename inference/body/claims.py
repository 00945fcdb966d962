"""What an engine says of a request's tokens is a claim; here it is held against what we saw.

Pure arithmetic. A claim is believed (*measured*) if it came after all text, counts what can't
have been nothing, covers every answer, and fits what the caller and the model allow. Else it
is *estimated*: the largest of what passed through us and what was claimed, within the same
bounds. Where nothing was answered there is nothing to charge, whatever is claimed.
"""

from __future__ import annotations

from typing import Final

from inference.body.room import TOKENS_MAX
from inference.body.tokens import Usage, estimate_tokens

CONTEXT_MAX: Final = 10_000_000
"""Tokens that fit any model, where it is not said how many fit this one."""

ABSENT: Final = "absent"
ESTIMATED: Final = "estimated"
MEASURED: Final = "measured"

NOTHING: Final = Usage(0, 0, 0)


class Bounds:
    """What a request can have used at most, and what its prompt looks like.

    ``answers`` is how many the worker was asked for, ``limit`` how many tokens each may have,
    ``context`` how many a prompt and its answer may have together (none: it was not said).
    ``ceiling`` is what was set aside for it, and a slice for each answer beyond (none: it has
    no price and takes from no allowance). ``reads_only``: no tokens are made.
    """

    __slots__ = ("answers", "ceiling", "context", "limit", "prompt_tokens", "reads_only")

    def __init__(
        self, prompt_tokens: int, answers: int = 1, limit: int | None = None,
        context: int | None = None, *, reads_only: bool = False,
    ) -> None:  # fmt: skip
        self.prompt_tokens = prompt_tokens
        self.answers = answers
        self.limit = limit
        self.context = context
        self.reads_only = reads_only
        self.ceiling: int | None = None

    @property
    def room(self) -> int:
        """Return how many tokens prompts and answers may have, all together."""
        return min((self.context or CONTEXT_MAX) * self.answers, TOKENS_MAX)

    @property
    def most_out(self) -> int:
        """Return how many tokens the answers may have, all together."""
        if self.limit is None:
            return self.room
        return min(self.limit * self.answers, self.room)


class Seen:
    """What came of an answer, as far as it passed through us.

    ``pieces`` with text, ``text_bytes`` in them; ``size``: the bytes of an answer that came as
    one document, which is then what is estimated by. ``claim``: the engine's usage;
    ``is_last``: no text followed it. ``answers``: how many there were. ``is_given``: there was
    an answer at all. ``is_accepted``: the worker had begun to work on it.
    """

    __slots__ = (
        "answers",
        "claim",
        "is_accepted",
        "is_given",
        "is_last",
        "pieces",
        "size",
        "text_bytes",
    )

    def __init__(self) -> None:
        self.pieces = self.text_bytes = self.size = 0
        self.answers = 1
        self.claim: Usage | None = None
        self.is_last = True
        self.is_given = False
        self.is_accepted = False

    @property
    def tokens_out(self) -> int:
        """Count the tokens of the answer: one a piece, or one for each 4 bytes of text."""
        size = max(self.text_bytes, self.size)
        return max(self.pieces, estimate_tokens(size) if size else 0)


class Charge:
    """What is charged, who counted it, and whether the engine's claim can't be so."""

    __slots__ = ("is_doubted", "source", "tokens")

    def __init__(self, source: str, tokens: Usage, *, is_doubted: bool = False) -> None:
        self.source = source
        self.tokens = tokens
        self.is_doubted = is_doubted


def charge(seen: Seen, bounds: Bounds, *, has_left: bool = False) -> Charge:
    """Settle on the tokens of a request that ended. ``has_left``: because its caller left."""
    claim = seen.claim
    if not seen.is_given:
        # The prompt of a caller who did not wait was worked on all the same.
        if not (has_left and seen.is_accepted):
            return Charge(ABSENT, NOTHING)
        seen, claim = Seen(), None
    is_plain = claim is None or is_plausible(claim, seen, bounds)
    if claim is not None and is_plain and seen.is_given and seen.is_last:
        tokens, source = claim, MEASURED
    else:
        tokens, source = _estimate(claim, seen, bounds), ESTIMATED
    is_wrong = claim is not None and not (is_plain if seen.is_last else fits(claim, bounds))
    within = _within(tokens, bounds.ceiling)
    return Charge(source if within is tokens else ESTIMATED, within, is_doubted=is_wrong)


def is_plausible(claim: Usage, seen: Seen, bounds: Bounds) -> bool:
    """Say whether a claim can be so."""
    has_text = bool(seen.pieces or seen.text_bytes)
    counts = claim.tokens_in > 0 and (claim.tokens_out > 0 or not has_text)
    return counts and fits(claim, bounds) and _covers_all(claim, seen, bounds)


def fits(claim: Usage, bounds: Bounds) -> bool:
    """Say whether the model has room for so much, and the caller allowed it."""
    whole = claim.tokens_in + claim.tokens_out
    return whole <= bounds.room and claim.tokens_out <= bounds.most_out


def _covers_all(claim: Usage, seen: Seen, bounds: Bounds) -> bool:
    """Say whether the claim is for all answers, where there are several.

    Engines report one of many. Each piece is a token at least; by bytes the usual vocabularies
    differ, so that half as much again is allowed for.
    """
    if max(bounds.answers, seen.answers) == 1:
        return True
    by_bytes = estimate_tokens(seen.text_bytes) if seen.text_bytes else 0
    return claim.tokens_out >= seen.pieces and 3 * claim.tokens_out >= 2 * by_bytes


def _estimate(claim: Usage | None, seen: Seen, bounds: Bounds) -> Usage:
    """Take the largest that anything speaks for, within what can be."""
    said = claim or NOTHING
    room = bounds.room
    said_in = min(said.tokens_in, room)
    said_out = min(said.tokens_out, room - said_in)
    seen_out = 0 if bounds.reads_only else seen.tokens_out
    tokens_in = max(said_in, min(bounds.prompt_tokens, room))
    return Usage(tokens_in, min(max(said_out, seen_out), bounds.most_out))


def _within(tokens: Usage, ceiling: int | None) -> Usage:
    """Cut what lies beyond the ceiling, of the answer first."""
    if ceiling is None or tokens.tokens_in + tokens.tokens_out <= ceiling:
        return tokens
    tokens_in = min(tokens.tokens_in, ceiling)
    return Usage(tokens_in, ceiling - tokens_in)
