"""What is asked of a fleet: requests, their targets, and who asks the next one (workload)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

BLOCK_TOKENS = 512
"""Prompts are named in blocks of so many tokens, and simulated engines keep such blocks."""

TEXT_BYTES = 4
"""Bytes that a gateway takes for a token before it has learned better."""


@dataclass(frozen=True, slots=True)
class Target:
    """How long an answer may take: to its first token, and for each token after it."""

    ttft_s: float
    tpot_s: float


@dataclass(slots=True, eq=False)
class Asked:
    """A request. ``prompt`` and ``output`` are the truth, which no gateway sees beforehand.

    ``blocks`` names each whole block of its prompt by all that stands before it; ``size`` is the
    bytes of its text; ``target`` what its caller says, ``goal`` what it is judged by.
    """

    number: int
    at: float
    prompt: int
    output: int
    blocks: tuple[int, ...] = ()
    project: int = 0
    size: int = 0
    target: Target | None = None
    goal: Target | None = None

    @property
    def guess(self) -> int:
        """Return how many tokens its prompt seems to be."""
        return max(1, self.size // TEXT_BYTES)


class Load(Protocol):
    """Requests of a whole run."""

    def first(self) -> Iterable[Asked]:
        """Return what is asked, whatever becomes of it."""

    def after(self, asked: Asked, now: float) -> Asked | None:
        """Return what is asked because ``asked`` has ended, and when (``at``)."""


class Open:
    """Requests that come at their times, however others fare (open loop)."""

    def __init__(self, requests: Iterable[Asked]) -> None:
        self._requests = list(requests)

    def first(self) -> list[Asked]:
        """Return all of them."""
        return self._requests

    def after(self, asked: Asked, now: float) -> Asked | None:
        """Return nothing: nobody waits for anybody."""
        return None


@dataclass(frozen=True, slots=True)
class Turn:
    """A request of a session, ``think`` seconds after the answer before it."""

    think: float
    prompt: int
    output: int
    blocks: tuple[int, ...]


class Closed:
    """So many sessions at once, each asking when its last answer is there (closed loop).

    One that ends makes room for the next of the list; nobody asks any more at ``until``.
    """

    def __init__(self, sessions: Iterable[tuple[Turn, ...]], starts: list[float], until: float):
        self._sessions = iter(sessions)
        self._starts = starts
        self._until = until
        self._number = 0
        self._left: dict[int, tuple[int, list[Turn]]] = {}

    def first(self) -> list[Asked]:
        """Return the first request of as many sessions as run at once."""
        found = [self._open(seat, at) for seat, at in enumerate(self._starts)]
        return [one for one in found if one is not None]

    def after(self, asked: Asked, now: float) -> Asked | None:
        """Return the session's next request, or the first one of the next session."""
        seat, turns = self._left.pop(asked.number)
        if not turns:
            return self._open(seat, now)
        return self._ask(seat, turns, now)

    def _open(self, seat: int, now: float) -> Asked | None:
        turns = next(self._sessions, None)
        return self._ask(seat, list(reversed(turns)), now) if turns else None

    def _ask(self, seat: int, turns: list[Turn], now: float) -> Asked | None:
        turn = turns.pop()
        at = now + turn.think
        if at >= self._until:
            return None
        asked = Asked(self._number, at, turn.prompt, turn.output, turn.blocks)
        self._left[self._number] = seat, turns
        self._number += 1
        return asked
