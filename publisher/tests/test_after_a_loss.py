"""A Valkey that lost everything gets back all it needs, and what was under way is counted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import redis

from inference.contracts import functions
from inference.contracts.entries import dump
from inference.contracts.events import UsageEvent
from inference.contracts.names import SHARDS, route_key, shard_tag
from ledger import services as ledger
from projects.models import Project
from publisher import restore, services
from publisher.consumer import Consumer
from tests.make import make_endpoint, make_event, make_key
from usage import intake
from usage.intake import Arrived
from usage.models import PoisonEvent, UsageRecord

FUNCTIONS = Path(__file__).parents[2] / "inference" / "admission" / "functions.lua"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gateway(valkey: redis.Redis) -> redis.Redis:
    """Do what the first gateway does: load the functions."""
    valkey.function_load(FUNCTIONS.read_text(encoding="utf-8"), replace=True)
    return valkey


def account(gateway: redis.Redis, project: Project) -> dict[str, str]:
    name = f"{shard_tag(project.public_id)}:p:{project.public_id}"
    raw: dict[str, str] = gateway.hgetall(name)  # type: ignore[assignment] # why: redis types both kinds of answers
    return raw


def settle(gateway: redis.Redis, event: UsageEvent) -> str:
    said: list[str] = gateway.fcall(*functions.settle(event, dump(event)))
    return said[0]


def emit(gateway: redis.Redis, event: UsageEvent | str) -> None:
    body = event if isinstance(event, str) else dump(event)
    project = "proj_x" if isinstance(event, str) else event.project
    gateway.xadd(f"{shard_tag(project)}:usage", {"event": body, "kind": "settle"})


def test_keys_and_endpoints_are_published_again_before_anyone_is_let_in(
    gateway: redis.Redis, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    make_key(acme)
    before: set[str] = set(gateway.keys())  # type: ignore[arg-type] # why: as above
    gateway.flushdb()
    assert gateway.get(route_key(acme.public_id, "chat")) is None

    restore.restore_missing(gateway)

    assert gateway.get(route_key(acme.public_id, "chat")) is not None
    assert before <= set(gateway.keys())
    assert len(before) >= 2
    assert services.reconcile() == 0


def test_nobody_is_let_in_while_keys_and_endpoints_cannot_be_published(
    gateway: redis.Redis, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    name, epoch = route_key(acme.public_id, "chat"), "{s0}:epoch"
    gateway.flushdb()
    gateway.lpush(name, "in the way")

    with pytest.raises(redis.ResponseError):
        restore.restore_missing(gateway)

    assert gateway.get(epoch) is None
    gateway.delete(name)
    assert restore.restore_missing(gateway) == SHARDS
    assert None not in (gateway.get(name), gateway.get(epoch))


def test_estimate_that_outlived_valkey_is_still_corrected_by_the_truth(
    gateway: redis.Redis, acme: Project
) -> None:
    orphan = make_event(
        acme, ending="gateway_lost", source="estimated", status=0, tokens_out=90, cost=100
    )
    intake.take_in([Arrived("s", "1-1", dump(orphan))])
    gateway.flushdb()
    consumer = Consumer("one")
    consumer.step(block_ms=10)
    assert account(gateway, acme)["spent"] == "100"

    truth = make_event(acme, request_id=orphan.request_id, cost=30)
    words = [settle(gateway, truth), settle(gateway, truth)]
    consumer.step(block_ms=10)

    assert words == ["amended", "again"]
    record = UsageRecord.objects.get()
    assert (record.source, record.ending, record.cost) == ("measured", "complete", 30)
    assert account(gateway, acme)["spent"] == "30"


def test_estimate_that_no_one_had_recorded_is_still_corrected_by_the_truth(
    gateway: redis.Redis, acme: Project
) -> None:
    """Read before the loss, handed to Valkey after it; only then does the journal turn up."""
    slow, quick = Consumer("slow"), Consumer("quick")
    slow.step(block_ms=10)
    orphan = make_event(
        acme, ending="gateway_lost", source="estimated", status=0, tokens_out=90, cost=100
    )
    emit(gateway, orphan)
    batch = slow._fresh(10)
    gateway.flushdb()
    quick.step(block_ms=10)
    slow._move(batch)
    slow._tell_again()

    word = settle(gateway, make_event(acme, request_id=orphan.request_id, cost=30))
    while quick.step(block_ms=10):
        pass

    assert word == "amended"
    assert [(one.ending, one.cost) for one in UsageRecord.objects.all()] == [("complete", 30)]
    assert account(gateway, acme)["spent"] == "30"


class Forgetful:
    """A Valkey that loses everything before one of the batches sent to it."""

    def __init__(self, valkey: redis.Redis, batch: int) -> None:
        self._valkey = valkey
        self._left = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._valkey, name)

    def pipeline(self, **options: Any) -> Any:
        if self._left == 0:
            self._valkey.flushdb()
        self._left -= 1
        return self._valkey.pipeline(**options)


@pytest.mark.parametrize("batch", range(4))
def test_valkey_that_loses_everything_while_it_is_restored_is_restored_again(
    gateway: redis.Redis, acme: Project, batch: int
) -> None:
    ledger.top_up(project=acme, amount=500)
    make_endpoint(acme, "chat")
    gateway.flushdb()

    restore.restore_missing(cast("redis.Redis", Forgetful(gateway, batch)))
    restore.restore_missing(gateway)

    assert account(gateway, acme)["granted"] == "500"
    assert gateway.get(route_key(acme.public_id, "chat")) is not None
    assert gateway.get("{s0}:epoch") is not None


@pytest.mark.parametrize("gateway_lives", [True, False])
def test_what_one_consumer_had_read_when_another_restored_is_counted_once(
    gateway: redis.Redis, acme: Project, gateway_lives: bool
) -> None:
    """An orphan's estimate stands in no journal: only the consumer still knows of it."""
    slow, quick = Consumer("slow"), Consumer("quick")
    slow.step(block_ms=10)
    event = make_event(acme, cost=40)
    emit(gateway, event)
    emit(gateway, "nonsense")
    batch = slow._fresh(10)
    gateway.flushdb()
    quick.step(block_ms=10)

    slow._move(batch)
    if gateway_lives:
        settle(gateway, event)
    slow._tell_again()
    while quick.step(block_ms=10):
        pass

    assert [record.cost for record in UsageRecord.objects.all()] == [40]
    assert account(gateway, acme)["spent"] == "40"
    assert PoisonEvent.objects.count() == 1
    assert slow._untold == []


def test_consumer_waits_with_what_it_knows_until_valkey_is_restored(
    gateway: redis.Redis, acme: Project
) -> None:
    consumer = Consumer("one")
    consumer.step(block_ms=10)
    emit(gateway, make_event(acme, cost=40))
    batch = consumer._fresh(10)
    gateway.flushdb()
    intake.begin_restoration()

    consumer._move(batch)
    consumer._tell_again()
    waited = list(consumer._untold)
    restore.restore_missing(gateway)
    consumer._tell_again()

    assert (waited, consumer._untold) == (batch, [])
    assert account(gateway, acme)["spent"] == "40"
    assert not UsageRecord.objects.exists()
