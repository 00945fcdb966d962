"""Identities of requests: made by us, ordered by time, never taken from a caller."""

from __future__ import annotations

import os
from typing import Final

_DIGITS: Final = 18
"""Random hex digits of an id; with two bits of its number those are the 74 of a UUIDv7."""
_IDS_A_DRAW: Final = 256
_VARIANTS: Final = "89ab"


class _Source:
    """Random digits for many ids at once, since a draw is a system call; and the moment as text."""

    __slots__ = ("at", "digits", "millisecond", "moment")

    def __init__(self) -> None:
        self.digits = self.moment = ""
        self.at = 0
        self.millisecond = -1

    def forget(self) -> None:
        """Draw anew: a fork must not use up the digits of its parent."""
        self.digits = ""

    def next(self, millisecond: int) -> str:
        """Return the next id, of that moment."""
        if millisecond != self.millisecond:
            self.millisecond, self.moment = millisecond, f"{millisecond:012x}"
        at, end = self.at, self.at + _DIGITS
        if end > len(self.digits):
            self.digits = os.urandom(_IDS_A_DRAW * _DIGITS // 2).hex()
            at, end = 0, _DIGITS
        self.at = end
        digits, variant = self.digits, _VARIANTS[(at // _DIGITS) & 3]
        return f"req_{self.moment}7{digits[at : at + 3]}{variant}{digits[at + 3 : end]}"


_source: Final = _Source()
os.register_at_fork(after_in_child=_source.forget)


def request_id(now_s: float) -> str:
    """Return ``req_`` and a UUIDv7 (RFC 9562) of that moment, as 32 hex digits."""
    return _source.next(int(now_s * 1000))
