"""What came of an attempt, as its record says it (``contracts.records.Came``)."""

from __future__ import annotations

from typing import Any

from inference.body.tokens import Usage
from inference.contracts.decide import Decided
from inference.contracts.records import KEPT, MISSED, NO_TARGET, UNREACHABLE
from inference.contracts.snapshot import Wish
from inference.routing.placed import Placed

Json = dict[str, Any]


class Came:
    """See the module. Times are microseconds from when the request was sent to the worker."""

    __slots__ = ("_cached", "_decode_us", "_ending", "_in", "_out", "_took_us", "_ttft_us")

    def __init__(self, placed: Placed, now_us: int, ending: str) -> None:
        self._ending = ending
        self._took_us = now_us - placed.sent_us
        self._ttft_us = -1 if placed.is_waiting else placed.first_us - placed.sent_us
        self._decode_us = 0 if placed.is_waiting else now_us - placed.first_us
        self._in = self._out = 0
        self._cached: int | None = None

    def count(self, tokens: Usage, *, is_stream: bool) -> None:
        """Take what its engine counted."""
        self._in, self._out, self._cached = (
            tokens.tokens_in,
            tokens.tokens_out,
            tokens.tokens_cached,
        )
        if not is_stream:  # All of it came at once: nobody saw the time between tokens.
            self._decode_us = 0

    def told(self, wish: Wish, decided: Decided) -> Json:
        """Return it as the record has it."""
        return {
            "ttft_us": None if self._ttft_us < 0 else self._ttft_us,
            "tpot_us": self._tpot_us,
            "took_us": self._took_us,
            "tokens_in": self._in,
            "tokens_out": self._out,
            "cached": self._cached,
            "ending": self._ending,
            "target": self._target(wish, decided),
        }

    @property
    def _tpot_us(self) -> int | None:
        return self._decode_us // (self._out - 1) if self._out > 1 and self._decode_us else None

    def _target(self, wish: Wish, decided: Decided) -> int:
        """Say whether its target was kept: a request that came to nothing kept none."""
        if not wish.has_target:
            return NO_TARGET
        is_late = wish.ttft_us > 0 and not 0 <= self._ttft_us <= wish.ttft_us
        is_slow = wish.tpot_us > 0 and (self._tpot_us or 0) > wish.tpot_us
        if not (is_late or is_slow):
            return KEPT
        return MISSED if decided.is_reachable else UNREACHABLE
