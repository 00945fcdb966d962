"""Lay entries into Valkey: a higher version wins, and everyone is told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import redis
from django.conf import settings

from inference.contracts.names import CHANGES, POOLS
from publisher.entries import Entry

# Compared and written in one step: otherwise a slow publisher could revive a revoked key.
# The same version is written again only where the entry is missing (an emptied Valkey).
PUT = """
local held = redis.call('GET', KEYS[1])
local version = tonumber(ARGV[1])
if held and cjson.decode(held)['version'] >= version then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], cjson.encode({key = KEYS[1], version = version}))
return 1
"""

SILENCE_S = 1.0
"""How long a web request may wait for Valkey; what is not carried now, the beat carries."""


@cache
def client() -> redis.Redis:
    """Return the connection to the data plane's Valkey."""
    return redis.Redis.from_url(
        settings.PLANE_VALKEY, socket_timeout=SILENCE_S, socket_connect_timeout=SILENCE_S
    )


def put(entries: Sequence[Entry]) -> int:
    """Write entries that are newer than what is there; return how many were.

    Raises ``redis.RedisError`` when Valkey is away.
    """
    script = client().register_script(PUT)
    written = 0
    for entry in entries:
        written += int(script(keys=[entry.key], args=[entry.version, entry.payload, CHANGES]))
        if entry.pool:
            # Which pools there are is looked after by gateways, so it is said each time.
            (client().sadd if entry.is_staffed else client().srem)(POOLS, entry.pool)
    return written


def is_there() -> bool:
    """Say whether Valkey answers."""
    try:
        client().ping()
    except redis.RedisError:
        return False
    return True
