"""Carry usage events from Valkey's streams into PostgreSQL, for ever.

Read → one transaction → acknowledge and delete. Dying between any two of these only makes
an event arrive again, which changes nothing. When PostgreSQL or Valkey is away the events
stay in the streams and the consumer waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections

from inference.contracts import EVENT_FIELD, SHARDS, usage_stream
from usage import services
from usage.services import Arrived

logger = logging.getLogger(__name__)

GROUP = "postgres"
BATCH = 2000
BLOCK_MS = 1000
CLAIM_AFTER_MS = 30_000
PATIENCE_S = 1.0


class Consumer:
    """One member of the group that empties the streams. Several may run at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stop = threading.Event()
        self._valkey = redis.Redis.from_url(settings.PLANE_VALKEY, decode_responses=True)
        self._streams = [usage_stream(shard) for shard in range(SHARDS)]
        self._is_ready = False
        self._looked_at = 0.0

    def stop(self) -> None:
        """Finish the batch at hand and return from ``run``."""
        self._stop.set()

    def run(self) -> None:
        """Consume until stopped; outlive the absence of either store."""
        while not self._stop.is_set():
            try:
                self.step()
            except (redis.RedisError, DatabaseError) as fault:
                logger.warning("usage waits for a store: %s", fault)
                self._is_ready = False
                close_old_connections()
                self._stop.wait(PATIENCE_S)

    def step(self, *, block_ms: int = BLOCK_MS) -> int:
        """Move one batch, wait for one if there is none; return how many events it held."""
        if not self._is_ready:
            self._join()
        batch = self._adopted() or self._fresh(block_ms)
        if batch:
            intake = services.take_in(batch)
            self._acknowledge(batch)
            if intake.poisoned:
                logger.error("%d usage events were set aside as poison", intake.poisoned)
        return len(batch)

    def _join(self) -> None:
        for stream in self._streams:
            try:
                self._valkey.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except redis.ResponseError as fault:
                if "BUSYGROUP" not in str(fault):
                    raise
        self._is_ready = True

    def _fresh(self, block_ms: int) -> list[Arrived]:
        wanted: dict[Any, Any] = dict.fromkeys(self._streams, ">")
        answer: Any = self._valkey.xreadgroup(
            GROUP, self.name, wanted, count=BATCH, block=block_ms or None
        )
        found = answer.items() if isinstance(answer, dict) else answer or ()
        return [
            arrived for stream, entries in found for arrived in _arrived(stream, _flat(entries))
        ]

    def _adopted(self) -> list[Arrived]:
        """Take over what another member read and never acknowledged: it died."""
        if time.monotonic() - self._looked_at < CLAIM_AFTER_MS / 1000:
            return []
        self._looked_at = time.monotonic()
        adopted: list[Arrived] = []
        pipe = self._valkey.pipeline(transaction=False)
        for stream in self._streams:
            pipe.xautoclaim(stream, GROUP, self.name, CLAIM_AFTER_MS, "0", count=BATCH)
        for stream, answer in zip(self._streams, pipe.execute(), strict=True):
            adopted.extend(_arrived(stream, answer[1]))
        return adopted

    def _acknowledge(self, batch: Sequence[Arrived]) -> None:
        by_stream: dict[str, list[str]] = {}
        for arrived in batch:
            by_stream.setdefault(arrived.stream, []).append(arrived.entry_id)
        pipe = self._valkey.pipeline(transaction=False)
        for stream, entry_ids in by_stream.items():
            pipe.xack(stream, GROUP, *entry_ids)
            pipe.xdel(stream, *entry_ids)
        pipe.execute()


def _flat(entries: Any) -> Any:
    """Undo the extra list that RESP3 puts around a stream's entries."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _arrived(stream: str, entries: Any) -> list[Arrived]:
    return [
        Arrived(stream, entry_id, fields.get(EVENT_FIELD, ""))
        for entry_id, fields in entries
        if fields is not None
    ]
