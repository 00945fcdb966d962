"""How often one caller may do a thing: one atomic step in Valkey.

GCRA (the generic cell rate algorithm): one number per caller, no window to game, and an
exact moment to come back. When Valkey is away callers are let in: the people who mend a
platform must not be locked out by what is broken.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from common.addresses import caller_address

logger = logging.getLogger(__name__)

META = "xerotier.rate"
"""Where the state is left for the middleware that writes the headers."""
SILENCE_S = 0.5
PERIOD_S = 60.0

# One clock for all processes: Valkey's. Returns allowed, what is left, seconds until the
# next request may come and seconds until the whole limit is free again (as text: Lua
# numbers would be cut to integers).
GCRA = """
local now = redis.call('TIME')
local t = tonumber(now[1]) + tonumber(now[2]) / 1e6
local limit, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local step = period / limit
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < t then full = t end
local wanted = full + step * tonumber(ARGV[3])
if wanted - t > period + 1e-6 then
  return {0, 0, tostring(wanted - t - period), tostring(full - t)}
end
redis.call('SET', KEYS[1], string.format('%.6f', wanted), 'PX', math.ceil((wanted - t) * 1000))
return {1, math.floor((period - (wanted - t)) / step + 1e-6), '0', tostring(wanted - t)}
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a caller has left, for the ``x-ratelimit-*`` headers."""

    allowed: bool
    limit: int
    remaining: int
    wait_s: float
    reset_s: float

    def headers(self) -> dict[str, str]:
        """Return the headers in OpenAI's names and formats."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": duration(self.reset_s),
        }


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.CACHE_VALKEY,
        socket_timeout=SILENCE_S,
        socket_connect_timeout=SILENCE_S,
        decode_responses=True,
    )


def duration(seconds: float) -> str:
    """Write a duration as OpenAI does: ``12ms``, ``6m0s``, ``1h0m30s``, and as the data plane."""
    if seconds < 1:
        return f"{max(0, int(seconds * 1000 + 0.5))}ms"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def take(caller: str, *, limit: int, cost: int = 1, period_s: float = PERIOD_S) -> Rate | None:
    """Count ``cost`` of what a caller may have in a period; none if Valkey is away."""
    try:
        script = _client().register_script(GCRA)
        said = script(keys=[f"rate:{caller}"], args=[limit, period_s, cost])
    except redis.RedisError as fault:
        logger.warning("requests are not counted: %s", fault)
        return None
    allowed, remaining, wait, reset = said
    return Rate(bool(allowed), limit, int(remaining), float(wait), float(reset))


class CallerThrottle(BaseThrottle):
    """So many requests a minute for each key, each person and each unknown address."""

    def __init__(self) -> None:
        self._rate: Rate | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request and leave the state for the headers."""
        self._rate = take(caller_of(request), limit=settings.MANAGEMENT_PER_MIN)
        request.META[META] = self._rate
        return self._rate is None or self._rate.allowed

    def wait(self) -> float | None:
        """Return the seconds until the next request may come."""
        return self._rate.wait_s if self._rate else None


def caller_of(request: Request) -> str:
    """Name who is counted: the key, the person, or the address of nobody known."""
    actor = getattr(request.auth, "actor", None)
    if actor is not None:
        return f"key:{actor.subject}"
    if request.user.is_authenticated:
        return f"person:{request.user.pk}"
    return f"address:{caller_address(request)}"
