"""What lies in Valkey's streams arrives in PostgreSQL, whenever a consumer or a store dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
import redis
from django.db import DatabaseError

from inference.contracts.entries import dump
from inference.contracts.events import EVENT_FIELD, UsageEvent
from inference.contracts.names import route_key, shard_tag, usage_stream
from inference.contracts.tallies import BATCH_FIELD, REFUSALS, RefusalBatch, Tally
from projects.models import Project
from publisher.consumer import Consumer
from tests.make import make_endpoint, make_event
from usage import intake
from usage.intake import Arrived, Intake
from usage.models import RefusalRollup, UsageRecord


def stream_of(project: Project) -> str:
    return usage_stream(int(shard_tag(project.public_id).strip("{s}")))


def send(valkey: redis.Redis, project: Project, event: UsageEvent) -> None:
    valkey.xadd(stream_of(project), {EVENT_FIELD: dump(event)})


def test_consumer_moves_events_and_leaves_the_stream_empty(
    valkey: redis.Redis, acme: Project
) -> None:
    events = [make_event(acme) for _ in range(5)]
    for event in events:
        send(valkey, acme, event)

    moved = Consumer("one").step(block_ms=10)

    assert moved == 5
    assert valkey.xlen(stream_of(acme)) == 0
    assert set(UsageRecord.objects.values_list("request_id", flat=True)) == {
        event.request_id for event in events
    }


def test_event_survives_a_consumer_that_dies_before_the_commit(
    valkey: redis.Redis, acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(valkey, acme, make_event(acme))
    dying = Consumer("dying")
    with monkeypatch.context() as patch:
        patch.setattr("usage.intake.take_in", _broken)
        with pytest.raises(DatabaseError):
            dying.step(block_ms=10)
    assert not UsageRecord.objects.exists()
    monkeypatch.setattr("publisher.consumer.CLAIM_AFTER_MS", 0)

    Consumer("heir").step(block_ms=10)

    assert UsageRecord.objects.count() == 1


def test_event_survives_a_consumer_that_dies_before_the_acknowledgement(
    valkey: redis.Redis, acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(valkey, acme, make_event(acme))
    dying = Consumer("dying")
    with monkeypatch.context() as patch:
        patch.setattr(dying, "_acknowledge", _broken)
        with pytest.raises(DatabaseError):
            dying.step(block_ms=10)
    monkeypatch.setattr("publisher.consumer.CLAIM_AFTER_MS", 0)

    Consumer("heir").step(block_ms=10)

    assert UsageRecord.objects.count() == 1
    assert valkey.xlen(stream_of(acme)) == 0


@pytest.mark.django_db(transaction=True)  # It closes connections, as between two attempts.
def test_consumer_finishes_first_what_it_had_read_when_the_database_went_away(
    valkey: redis.Redis, acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(valkey, acme, make_event(acme))
    consumer, take_in, batches = Consumer("one"), intake.take_in, []
    monkeypatch.setattr("publisher.consumer.PATIENCE_S", 0)
    giving_up = threading.Timer(10, consumer.stop)
    giving_up.start()

    def away_at_first(batch: Sequence[Arrived], **_said: object) -> Intake:
        batches.append(batch)
        if len(batches) == 1:
            raise DatabaseError("the database went away")
        consumer.stop()
        return take_in(batch)

    monkeypatch.setattr("usage.intake.take_in", away_at_first)

    consumer.run()
    giving_up.cancel()

    assert [len(batch) for batch in batches] == [1, 1]
    assert UsageRecord.objects.count() == 1
    assert valkey.xlen(stream_of(acme)) == 0


def test_events_are_recorded_while_keys_and_endpoints_cannot_be_published(
    valkey: redis.Redis, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    valkey.lpush(route_key(acme.public_id, "chat"), "in the way")
    send(valkey, acme, make_event(acme))

    moved = Consumer("one").step(block_ms=10)

    assert (moved, UsageRecord.objects.count()) == (1, 1)
    assert valkey.get("{s0}:epoch") is None


def test_refusals_are_counted_once_and_the_stream_is_left_empty(
    valkey: redis.Redis, acme: Project
) -> None:
    minute = int(time.time()) // 60 * 60
    tally = Tally(minute, acme.public_id, "chat", "key_a", "rate_limit_exceeded", 1)
    for name in ("a", "a", "b"):
        valkey.xadd(REFUSALS, {BATCH_FIELD: RefusalBatch(name, (tally,), ()).text()})

    Consumer("one").step(block_ms=1)

    assert [row.count for row in RefusalRollup.objects.filter(grain="minute")] == [2]
    assert valkey.xlen(REFUSALS) == 0


def _broken(*_args: object, **_said: object) -> None:
    raise DatabaseError("the database went away")
