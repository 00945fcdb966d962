"""A Valkey that lost everything serves nobody until PostgreSQL's counters are back."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from common import clock
from inference.contracts import SHARDS, dump, shard_tag
from ledger import services as ledger
from projects.models import Project
from publisher.money import tell_budget
from tests.make import make_event
from usage import budgets, intake, restore
from usage.consumer import Consumer
from usage.intake import Arrived

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
