"""When what happens on a link: beats, silence, back-off, renewal of tokens; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

SILENCE_S = 12.0
"""Without a frame for so long the link is given up and dialled anew."""
BACK_OFF_FIRST_S, BACK_OFF_MOST_S = 1.0, 30.0
STEADY_S = 30.0
"""Only a link that lived so long lets back-off begin anew."""
BLOCKED_S = 10.0
OVERLOADED_S = 5.0
HOURLY_S = 3600.0


def beat_s(beat_ms: int, chance: Random) -> float:
    """Return when the next beat is due: as told, give or take a tenth."""
    return beat_ms / 1000 * chance.uniform(0.9, 1.1)


def renewal_s(expires_at: float, server_time: float) -> float:
    """Return how long to wait before a token is renewed: half of what it has to live."""
    return max(1.0, (expires_at - server_time) / 2)


@dataclass(slots=True)
class BackOff:
    """How long to wait before the next try: full jitter under a cap that doubles."""

    chance: Random
    tries: int = field(default=0)

    def next_s(self, lived_s: float = 0.0) -> float:
        """Return the wait after a link that lived ``lived_s``, or none came about."""
        if lived_s >= STEADY_S:
            self.tries = 0
        cap = min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2 ** min(self.tries, 10))
        self.tries += 1
        return self.chance.uniform(0, cap)
