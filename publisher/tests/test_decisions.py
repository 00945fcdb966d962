"""Decisions on Valkey's stream arrive in PostgreSQL once, whatever became of the stream."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.db import connection, transaction

from inference.contracts.records import RECORDS, RECORDS_FIELD
from projects.models import Project
from publisher import decisions
from routing.models import DecisionReading, KeptDecision
from tests.decisions import make_decision, text_of


def send(valkey: redis.Redis, project: Project, count: int = 1) -> None:
    for _ in range(count):
        valkey.xadd(RECORDS, {RECORDS_FIELD: text_of(make_decision(project))})


def test_decisions_are_read_on_from_where_they_were_left(
    valkey: redis.Redis, acme: Project
) -> None:
    send(valkey, acme, decisions.ENTRIES + 3)
    assert decisions.read() == decisions.ENTRIES + 3
    send(valkey, acme, 2)

    assert [decisions.read(), decisions.read()] == [2, 0]
    assert KeptDecision.objects.count() == decisions.ENTRIES + 5


def test_stream_that_was_lost_and_began_again_is_read_from_its_start(
    valkey: redis.Redis, acme: Project
) -> None:
    valkey.xadd(RECORDS, {RECORDS_FIELD: text_of(make_decision(acme))}, id="9999999999999-0")
    decisions.read()
    valkey.delete(RECORDS)
    assert decisions.read() == 0

    send(valkey, acme)

    assert (decisions.read(), KeptDecision.objects.count()) == (1, 2)


def test_entry_without_records_is_passed_over(valkey: redis.Redis, acme: Project) -> None:
    valkey.xadd(RECORDS, {"other": "x"})
    send(valkey, acme)

    assert decisions.read() == 2
    assert (KeptDecision.objects.count(), DecisionReading.objects.get().unread) == (1, 1)


def test_without_valkey_nothing_is_read_and_nothing_breaks(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = redis.Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.1)
    monkeypatch.setattr("publisher.store.client", lambda: away)

    assert decisions.read() == 0


@pytest.mark.django_db(transaction=True)
def test_while_one_reads_another_leaves_it_alone(valkey: redis.Redis, acme: Project) -> None:
    send(valkey, acme)
    DecisionReading.objects.create(pk=1)

    def read() -> int:
        try:
            return decisions.read()
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        DecisionReading.objects.select_for_update().get()
        assert pool.submit(read).result(timeout=30) == 0
    assert decisions.read() == 1
