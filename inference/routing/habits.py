"""Habits (traffic statistics): what prompts of a project are like for a model, as far as seen.

How many tokens a byte is comes from what engines count. How much of a prompt had been sent before,
to whomever, says what a worker's memory of it is worth: of a share r that is asked for again, each
token is read r / (1 − r) times more (geometric series), or has to be computed as often if it was
not kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

HABITS_MAX: Final = 4096
TOKENS_PER_BYTE: Final = 0.25
RATE_ALPHA: Final = 0.1
RATE_MIN, RATE_MAX = 0.02, 2.0
REUSE_ALPHA: Final = 0.02
REUSE_MAX: Final = 0.95
MOVING: Final = 0.1
"""Of those times, how many a prompt is read anew because it is read in another place now."""
EVICTING: Final = 0.2
"""And how many because it makes a full worker forget as much of another."""


class Habit:
    """One project's prompts for one model."""

    __slots__ = ("rate", "reuse", "taught")

    def __init__(self) -> None:
        self.rate = TOKENS_PER_BYTE
        self.reuse = 0.0
        self.taught = False

    def learn_rate(self, tokens: int, prompt_bytes: int) -> None:
        """Learn what an engine counted of a prompt."""
        rate = max(RATE_MIN, min(tokens / prompt_bytes, RATE_MAX))
        self.rate = self.rate + RATE_ALPHA * (rate - self.rate) if self.taught else rate
        self.taught = True

    def learn_reuse(self, known_bytes: int, prompt_bytes: int) -> None:
        """Learn how much of a prompt had been sent before, to whomever."""
        share = min(1.0, known_bytes / prompt_bytes)
        self.reuse += REUSE_ALPHA * (share - self.reuse)

    def again(self, *, is_full: bool) -> float:
        """Return how often a token that a worker reads anew is computed later for that.

        ``is_full``: the worker has to forget as much of something else.
        """
        reuse = min(self.reuse, REUSE_MAX)
        return (MOVING + EVICTING if is_full else MOVING) * reuse / (1.0 - reuse)


class Habits:
    """All of them; the one that was heard of longest ago goes first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Habit] = OrderedDict()
        self._usual = Habit()

    def of(self, project: str, model: str) -> Habit:
        """Return what is known of it, or what is usual."""
        return self._known.get(f"{model}\0{project}", self._usual)

    def kept(self, project: str, model: str) -> Habit:
        """Return the one that learns."""
        name = f"{model}\0{project}"
        habit = self._known.pop(name, None) or Habit()
        self._known[name] = habit
        if len(self._known) > HABITS_MAX:
            self._known.popitem(last=False)
        return habit
