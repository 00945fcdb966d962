"""A Valkey that lost everything serves nobody until PostgreSQL's counters are back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from django.db import OperationalError, connection, connections

from common import clock
from inference.contracts.entries import dump
from inference.contracts.names import SHARDS, shard_tag
from ledger import services as ledger
from projects.models import Project
from publisher import restore, services
from publisher.consumer import Consumer
from publisher.money import tell_budget
from tests.make import make_event
from usage import budgets, intake
from usage.intake import Arrived
from usage.models import UsageRecord

FUNCTIONS = Path(__file__).parents[2] / "inference" / "admission" / "functions.lua"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gateway(valkey: redis.Redis) -> redis.Redis:
    """Do what the first gateway does: load the functions."""
    valkey.function_load(FUNCTIONS.read_text(encoding="utf-8"), replace=True)
    return valkey


def test_every_shard_is_opened_once(gateway: redis.Redis) -> None:
    assert restore.restore_missing(gateway) == SHARDS
    assert restore.restore_missing(gateway) == 0


def test_money_of_a_project_is_put_back(gateway: redis.Redis, acme: Project) -> None:
    ledger.top_up(project=acme, amount=1000)
    event = make_event(acme, cost=40, tokens_in=5, tokens_out=6)
    intake.take_in([Arrived(f"{shard_tag(acme.public_id)}:usage", "5-7", dump(event))])
    gateway.flushdb()

    restore.restore_missing(gateway)

    tag = shard_tag(acme.public_id)
    account = gateway.hgetall(f"{tag}:p:{acme.public_id}")
    assert (account["granted"], account["spent"]) == ("1000", "40")
    assert account[f"m:{month()}"] == "40"
    assert account[f"a:{month()}:free"] == "11"
    assert gateway.hget(f"{tag}:e:ep_x", f"m:{month()}") == "40"
    assert gateway.exists(f"{tag}:r:{event.request_id}")
    assert gateway.xinfo_stream(f"{tag}:usage")["last-generated-id"] == "5-7"


def test_ceiling_of_a_budget_is_put_back(gateway: redis.Redis, acme: Project) -> None:
    for subject, is_enforced in (("key_1", True), ("key_2", False)):
        budgets.set_budget(
            project=acme, scope="key", subject_id=subject, amount=50, is_enforced=is_enforced
        )
    gateway.flushdb()

    restore.restore_missing(gateway)

    tag = shard_tag(acme.public_id)
    assert gateway.hmget(f"{tag}:k:key_1", "budget", "budget_v") == ["50", "1"]
    assert gateway.hget(f"{tag}:k:key_2", "budget") is None


def test_granted_credit_reaches_the_data_plane_at_once(gateway: redis.Redis, acme: Project) -> None:
    ledger.top_up(project=acme, amount=1000)
    ledger.adjust(project=acme, amount=-300, note="mistake")

    account = gateway.hgetall(f"{shard_tag(acme.public_id)}:p:{acme.public_id}")
    assert account["granted"] == "700"


def test_only_an_enforced_budget_is_a_ceiling(gateway: redis.Redis, acme: Project) -> None:
    tag = shard_tag(acme.public_id)
    budget = budgets.set_budget(
        project=acme, scope="key", subject_id="key_1", amount=50, is_enforced=True
    )
    assert gateway.hget(f"{tag}:k:key_1", "budget") == "50"

    budgets.set_budget(project=acme, scope="key", subject_id="key_1", amount=60)
    tell_budget(str(budget.pk))

    assert gateway.hget(f"{tag}:k:key_1", "budget") is None


def test_reconcile_tells_grants_and_budgets_that_valkey_has_lost(
    gateway: redis.Redis, acme: Project, rival: Project
) -> None:
    tag = shard_tag(acme.public_id)
    ledger.top_up(project=acme, amount=1000)
    ledger.top_up(project=rival, amount=7)
    kept = budgets.set_budget(
        project=acme, scope="key", subject_id="key_1", amount=50, is_enforced=True
    )
    ended = budgets.set_budget(
        project=acme, scope="key", subject_id="key_2", amount=60, is_enforced=True
    )
    budgets.end_budget(budget=ended)
    services.reconcile()
    gateway.hset(f"{tag}:p:{acme.public_id}", mapping={"granted": 3, "seq": 0})
    gateway.hset(f"{tag}:k:key_1", mapping={"budget": 9, "budget_v": 0})
    gateway.hset(f"{tag}:k:key_2", mapping={"budget": 60, "budget_v": 1})

    mended, again = services.reconcile(), services.reconcile()

    assert (mended, again) == (3, 0)
    assert gateway.hget(f"{tag}:p:{acme.public_id}", "granted") == "1000"
    assert gateway.hget(f"{tag}:k:key_1", "budget") == str(kept.amount)
    assert gateway.hget(f"{tag}:k:key_2", "budget") is None


def test_reconcile_waits_with_money_until_a_gateway_has_loaded_the_functions(
    gateway: redis.Redis, acme: Project
) -> None:
    ledger.top_up(project=acme, amount=1000)
    gateway.flushdb()
    gateway.function_flush()

    assert services.reconcile() == 0
    assert gateway.keys("*:p:*") == []

    gateway.function_load(FUNCTIONS.read_text(encoding="utf-8"))
    assert services.reconcile() == 1


def test_nothing_is_restored_while_another_consumer_takes_in(
    gateway: redis.Redis, acme: Project
) -> None:
    with beside("SELECT pg_advisory_xact_lock_shared(%s)"), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            restore.restore_missing(gateway)
        assert gateway.keys("*:epoch") == []

    assert restore.restore_missing(gateway) == SHARDS


def test_nothing_is_taken_in_while_another_consumer_restores(acme: Project) -> None:
    arrived = [Arrived("s", "1-1", dump(make_event(acme)))]
    with beside("SELECT pg_advisory_xact_lock(%s)"), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            intake.take_in(arrived)
        assert not UsageRecord.objects.exists()

    intake.take_in(arrived)
    assert UsageRecord.objects.count() == 1


@contextmanager
def beside(sql: str) -> Iterator[None]:
    """Hold the lock of intake in a transaction of another connection."""
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(sql, [intake._TAKING_IN])
        yield
        other.rollback()
    finally:
        other.close()


@contextmanager
def impatient() -> Iterator[None]:
    """Wait for no lock longer than a moment."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")


def test_consumer_restores_before_it_consumes(gateway: redis.Redis, acme: Project) -> None:
    Consumer("one").step(block_ms=10)

    assert gateway.exists(f"{shard_tag(acme.public_id)}:epoch")


def test_consumer_says_up_to_where_it_has_everything(gateway: redis.Redis, acme: Project) -> None:
    stream = f"{shard_tag(acme.public_id)}:usage"
    places = [gateway.xadd(stream, {"event": dump(make_event(acme))}) for _ in range(3)]

    Consumer("one").step(block_ms=10)

    assert gateway.get(f"{stream}:done") == places[-1]


def month() -> str:

    return f"{clock.now():%Y%m}"
