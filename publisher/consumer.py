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

from inference.contracts import functions
from inference.contracts.events import EVENT_FIELD
from inference.contracts.names import SHARDS, usage_stream, usage_watermark
from inference.contracts.tallies import BATCH_FIELD, REFUSALS
from publisher import restore
from usage import intake, refusals
from usage.intake import Arrived

logger = logging.getLogger(__name__)

GROUP = "postgres"
BATCH = 1000
REFUSAL_BATCHES = 20
BLOCK_MS = 1000
CLAIM_AFTER_MS = 30_000
PATIENCE_S = 1.0
RESTORE_EVERY_S = 1.0

# Acknowledged, deleted and marked in one step. The mark is the id below which every entry has
# become a record: journals may forget those.
DONE = """
local group = ARGV[1]
local ids = {unpack(ARGV, 2)}
redis.call('XACK', KEYS[1], group, unpack(ids))
redis.call('XDEL', KEYS[1], unpack(ids))
local mark
local pending = redis.call('XPENDING', KEYS[1], group)
if pending[1] > 0 then
  local ms, seq = string.match(pending[2], '(%d+)-(%d+)')
  if seq ~= '0' then mark = ms .. '-' .. string.format('%.0f', tonumber(seq) - 1)
  else mark = string.format('%.0f', tonumber(ms) - 1) .. '-18446744073709551615' end
else
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local fields = {}
    for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
    if fields['name'] == group then mark = fields['last-delivered-id'] end
  end
end
redis.call('SET', KEYS[2], mark)
return mark
"""


class Consumer:
    """One member of the group that empties the streams. Several may run at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stop = threading.Event()
        self._valkey = redis.Redis.from_url(settings.PLANE_VALKEY, decode_responses=True)
        self._streams = [usage_stream(shard) for shard in range(SHARDS)]
        self._is_ready = False
        self._may_have_unfinished = True
        self._looked_at = 0.0
        self._restored_at = -RESTORE_EVERY_S
        self._restoration = 0
        """The last restoration of Valkey before the batch at hand was read."""
        self._untold: list[Arrived] = []
        """What was read before a restoration and recorded by nobody: Valkey has to hear of it."""
        self._done = self._valkey.register_script(DONE)

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
                self._may_have_unfinished = True
                close_old_connections()
                self._stop.wait(PATIENCE_S)

    def step(self, *, block_ms: int = BLOCK_MS) -> int:
        """Move one batch, wait for one if there is none; return how many events it held."""
        if not self._is_ready:
            self._join()
        self._restore()
        self._tell_again()
        self._take_refusals()
        self._restoration = intake.latest_restoration()
        batch = self._unfinished() or self._adopted() or self._fresh(block_ms)
        if batch:
            self._move(batch)
        return len(batch)

    def _take_refusals(self) -> None:
        """Count what was refused meanwhile. Another consumer may do the same: it counts once."""
        entries: Any = self._valkey.xrange(REFUSALS, count=REFUSAL_BATCHES)
        for entry_id, fields in entries:
            refusals.take_in(fields.get(BATCH_FIELD, ""))
            self._valkey.xdel(REFUSALS, entry_id)

    def _move(self, batch: list[Arrived]) -> None:
        try:
            outcome = intake.take_in(batch, read_after=self._restoration)
        except intake.RestoredMeanwhile:
            self._untold = batch
            return
        self._acknowledge(batch)
        if outcome.poisoned:
            logger.error("%d usage events were set aside as poison", outcome.poisoned)

    def _tell_again(self) -> None:
        """Hand Valkey what it has lost, as a journal would: it comes back by the stream.

        What its gateway told as well is counted once. Of a shard that was not lost the events
        are read again.
        """
        if not self._untold:
            return
        pipe = self._valkey.pipeline(transaction=False)
        for arrived in self._untold:
            event = intake.event_of(arrived)
            if event is None:
                intake.take_in([arrived])
            elif event.ending == restore.LOST:
                # Told as the truth, it could not be amended when the journal turns up.
                pipe.fcall(*functions.estimate(event, arrived.body))
            else:
                pipe.fcall(*functions.settle(event, arrived.body))
        replies: Any = pipe.execute()
        if not any(word == "unrestored" for word, _ in replies):
            self._untold, self._may_have_unfinished = [], True

    def _join(self) -> None:
        for stream in self._streams:
            try:
                self._valkey.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except redis.ResponseError as fault:
                if "BUSYGROUP" not in str(fault):
                    raise
        self._is_ready = True

    def _unfinished(self) -> list[Arrived]:
        """Return what this member read before a store went away: nobody else may have it yet."""
        if not self._may_have_unfinished:
            return []
        batch = self._read("0")
        self._may_have_unfinished = bool(batch)
        return batch

    def _fresh(self, block_ms: int) -> list[Arrived]:
        return self._read(">", block_ms)

    def _read(self, after: str, block_ms: int = 0) -> list[Arrived]:
        wanted: dict[Any, Any] = dict.fromkeys(self._streams, after)
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
        for stream, entry_ids in by_stream.items():
            shard = self._streams.index(stream)
            self._done(keys=[stream, usage_watermark(shard)], args=[GROUP, *entry_ids])

    def _restore(self) -> None:
        """Give an emptied Valkey its counters back; it serves nobody before."""
        if time.monotonic() - self._restored_at < RESTORE_EVERY_S:
            return
        self._restored_at = time.monotonic()
        try:
            opened = restore.restore_missing(self._valkey)
        except redis.ResponseError as fault:
            # It answers and refuses: no gateway has loaded the functions yet, or its disk is full.
            logger.warning("restoring waits: %s", fault)
            return
        if opened:
            logger.warning("%d shards of the data plane were restored", opened)


def _flat(entries: Any) -> Any:
    """Undo the extra list that RESP3 puts around a stream's entries."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _arrived(stream: str, entries: Any) -> list[Arrived]:
    return [
        Arrived(stream, entry_id, fields.get(EVENT_FIELD, ""), fields.get("kind", "settle"))
        for entry_id, fields in entries
        if fields is not None
    ]
