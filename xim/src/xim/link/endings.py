"""What the end of a link means for the next try, by its close code; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xim.link import timing


class Next(Enum):
    """What to do after a link ended."""

    BACK_OFF = "back off"
    AGAIN = "dial again at once, with jitter"
    AS_TOLD = "dial again when the gateway said, with jitter"
    SPREAD = "dial again, spread out"
    REFRESH = "renew the token, then dial"
    STOP = "stop: revoked"
    HOURLY = "try hourly: no common version"


@dataclass(frozen=True, slots=True)
class Ending:
    """What to do next, how long to wait at least, and why, in words."""

    next: Next
    words: str
    least_s: float = 0.0


ENDINGS = {
    1000: Ending(Next.SPREAD, "the gateway closed it"),
    1001: Ending(Next.SPREAD, "the gateway went away"),
    1009: Ending(Next.BACK_OFF, "a frame was too large"),
    1012: Ending(Next.SPREAD, "the gateway restarts"),
    1013: Ending(Next.BACK_OFF, "the gateway is overloaded", timing.OVERLOADED_S),
    4400: Ending(Next.BACK_OFF, "the two ends misunderstood each other"),
    4401: Ending(Next.REFRESH, "the token was not accepted"),
    4403: Ending(Next.STOP, "the platform revoked this machine"),
    4408: Ending(Next.AGAIN, "nothing was heard for too long"),
    4409: Ending(Next.AGAIN, "another link took its place", 1.0),
    4426: Ending(Next.HOURLY, "no common version of the protocol", timing.HOURLY_S),
}
LOST = Ending(Next.BACK_OFF, "the connection broke")


def ending_of(code: int | None) -> Ending:
    """Return what a close code means; None and unknown codes are a broken connection."""
    return ENDINGS.get(code or 0, LOST)
