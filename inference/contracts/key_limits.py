"""Limits of a key's own (per-credential rate limits and quotas): the numbers both planes know.

What a gateway makes of them is in ``admission/key_limits``; what people are told, and asked for,
is in ``apikeys/limits`` and ``dashboard/keys/limits``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class KeyLimits:
    """What may limit a key by itself; ``None`` is no limit.

    Every field here is one of a key's entry (``entries.Grant``), a column of its row, and an
    argument of its lanes, in this order; a pass is held to all of them.
    """

    quota_requests: int | None = None
    quota_window_s: int | None = None

    @staticmethod
    def figures_of(key: Any) -> dict[str, Any]:
        """Return the numbers of a key: of its entry, or of its row."""
        return {name: getattr(key, name) for name in FIELDS}


FIELDS: Final = tuple(field.name for field in fields(KeyLimits))


def numbers_of(limits: KeyLimits) -> tuple[int, ...]:
    """Return the numbers as the function library takes them: 0 is no limit."""
    return tuple(getattr(limits, name) or 0 for name in FIELDS)
