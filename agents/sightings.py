"""What the gateways see of workers: each writes it down every few seconds, for a few seconds.

Read for pages and for what is offered. Where Valkey can't be asked nothing is known, which is
no answer: nobody is called out for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import redis
from django.conf import settings

from common import clock
from inference.contracts.names import GATEWAYS, SIGHTING_S, sighting_key

HEARD = 3
"""Where in a sighting it stands what was heard; an older gateway says nothing of it."""
WAIT_S = 0.25
"""A page is not worth waiting longer for."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is seen of one worker by all gateways together.

    ``is_out``: none of those that look after it would send it a request. ``is_seen``: somebody
    looks after it at all. ``heard``: what one's last probe came to.
    """

    is_seen: bool = False
    is_out: bool = False
    answered_at: datetime | None = None
    running: int = 0
    heard: str = ""


UNSEEN = Health()


def worker_health(ids: Collection[str]) -> dict[str, Health]:
    """Return what is seen of each of these workers now."""
    seen: dict[str, Health] = {}
    if ids:
        for sighting in _sightings():
            for worker_id, said in sighting.items():
                if worker_id in ids:
                    seen[worker_id] = joined([seen.get(worker_id, UNSEEN), _read(said)])
    return {worker_id: seen.get(worker_id, UNSEEN) for worker_id in ids}


def joined(those: Iterable[Health]) -> Health:
    """Return what is seen of several together; nothing is seen of none."""
    whole = UNSEEN
    for one in those:
        whole = _both(whole, one) if whole.is_seen and one.is_seen else max(whole, one, key=_seen)
    return whole


def _seen(health: Health) -> bool:
    return health.is_seen


def _both(known: Health, other: Health) -> Health:
    moments = [at for at in (known.answered_at, other.answered_at) if at is not None]
    return Health(
        is_seen=True,
        is_out=known.is_out and other.is_out,
        answered_at=max(moments, default=None),
        running=known.running + other.running,
        heard=other.heard or known.heard,
    )


def _read(said: list[Any]) -> Health:
    at = datetime.fromtimestamp(said[1], UTC) if said[1] else None
    heard = str(said[HEARD]) if len(said) > HEARD else ""
    return Health(
        is_seen=True, is_out=bool(said[0]), answered_at=at, running=int(said[2]), heard=heard
    )


def _sightings() -> Iterable[dict[str, list[Any]]]:
    try:
        asked = client()
        since = clock.now().timestamp() - SIGHTING_S
        names: Any = asked.zrangebyscore(GATEWAYS, since, "+inf")
        texts: Any = asked.mget([sighting_key(name.decode()) for name in names]) if names else []
        return [json.loads(text) for text in texts if text]
    except (redis.RedisError, ValueError):
        return []


@cache
def client() -> redis.Redis:
    """Return the connection to the data plane's Valkey, which no page waits long for."""
    return redis.Redis.from_url(
        settings.PLANE_VALKEY, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S
    )
