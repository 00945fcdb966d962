"""What a join key may say, and when it lets a machine in: decided from plain values."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

NAME_MAX = 80
USES_MAX = 10_000
PATTERN_MAX = 80
LIVE_MAX = 100
"""Join keys that an owner may have open at once."""
SKEW = timedelta(seconds=300)
"""How far the clock of a machine may be off when it proves who it is."""
NUMBERED_MAX = 999
_UNNAMED = "machine"
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def fault_in_pattern(pattern: str) -> str | None:
    """Say what is wrong with a pattern for names; none if nothing is."""
    if len(pattern) > PATTERN_MAX:
        return f"A pattern has at most {PATTERN_MAX} characters."
    if not re.fullmatch(r"[A-Za-z0-9._*?-]*", pattern):
        return "A pattern has letters, digits, “.”, “_”, “-”, and “*” or “?” for what may be there."
    return None


def allows_name(pattern: str, name: str) -> bool:
    """Say whether a machine may be called so; an empty pattern allows every name."""
    return not pattern or fnmatchcase(name, pattern)


def name_from_host(hostname: str) -> str:
    """Return the name of a machine that was given none: its host's, without the domain."""
    first = hostname.partition(".")[0]
    return _NO_NAME.sub("-", first).strip("-.")[: NAME_MAX - 4] or _UNNAMED


def free_name(wished: str, taken: Container[str]) -> str:
    """Return the name, or the first of ``name-2``, ``name-3`` … that nobody has."""
    if wished not in taken:
        return wished
    numbered = (f"{wished}-{number}" for number in range(2, NUMBERED_MAX + 1))
    return next((name for name in numbered if name not in taken), wished)


def is_clock_off(said: float, now: datetime) -> bool:
    """Say whether a machine's Unix time is too far from ours for its proof to be fresh."""
    return not abs(now.timestamp() - said) <= SKEW.total_seconds()
