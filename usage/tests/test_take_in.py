"""Every finished request becomes one record: never two, never none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import connection

from apikeys.models import KeySecret
from inference.contracts.entries import dump
from inference.contracts.events import UsageEvent
from projects.models import Project
from tests.make import make_event, make_key, request_id
from usage import intake
from usage.intake import Arrived, Intake
from usage.models import PoisonEvent, UsageRecord


def arrived(event: UsageEvent, entry: str = "1-1") -> Arrived:
    return Arrived("s", entry, dump(event))


def test_event_becomes_a_record_with_everything_it_said(acme: Project) -> None:
    event = make_event(acme, ending="caller_left", source="estimated", tokens_out=3, streamed=True)

    intake.take_in([arrived(event)])

    record = UsageRecord.objects.get(request_id=event.request_id)
    assert (record.project, record.endpoint, record.key_id) == (acme, "chat", "key_x")
    assert (record.ending, record.source, record.tokens_out) == ("caller_left", "estimated", 3)
    assert (record.ttft_ms, record.latency_ms) == (20.5, 100.25)


def test_start_is_read_from_the_request_id(acme: Project) -> None:
    event = make_event(acme, request_id=request_id(at=1_790_000_000.25))

    intake.take_in([arrived(event)])

    record = UsageRecord.objects.get(request_id=event.request_id)
    assert record.started_at == datetime.fromtimestamp(1_790_000_000.25, tz=UTC)


def test_repeated_event_changes_nothing(acme: Project) -> None:
    event = make_event(acme)
    intake.take_in([arrived(event)])

    again = intake.take_in([arrived(event, "2-1"), arrived(event, "3-1")])

    assert again == Intake(recorded=0, repeated=2, poisoned=0)
    assert UsageRecord.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="not an object"),
        pytest.param('{"request_id": "req_x"}', id="fields missing"),
    ],
)
def test_event_nobody_understands_is_set_aside_whole(acme: Project, body: str) -> None:
    good = make_event(acme)

    outcome = intake.take_in([Arrived("s", "1-1", body), arrived(good, "1-2")])

    assert (outcome.recorded, outcome.poisoned) == (1, 1)
    assert PoisonEvent.objects.get().body == body


def test_event_of_an_unknown_project_is_set_aside(acme: Project) -> None:
    intake.take_in([arrived(replace(make_event(acme), project="proj_nobody"))])

    assert "proj_nobody" in PoisonEvent.objects.get().reason
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"caller_request_id": "x" * 129}, id="text too long"),
        pytest.param({"model": "nul \x00 inside"}, id="NUL in a text"),
        pytest.param({"tokens_in": -1}, id="negative tokens"),
        pytest.param({"status": "soon"}, id="not a number"),
    ],
)
def test_event_the_database_refuses_does_not_take_the_others_with_it(
    acme: Project, said: dict[str, object]
) -> None:
    bad = make_event(acme, **said)
    batch = [
        arrived(make_event(acme), "1-1"),
        arrived(bad, "1-2"),
        arrived(make_event(acme), "1-3"),
    ]

    outcome = intake.take_in(batch)

    assert (outcome.recorded, outcome.poisoned) == (2, 1)
    assert PoisonEvent.objects.get().entry_id == "1-2"


def test_use_of_a_key_is_noted(acme: Project) -> None:
    secret = KeySecret.objects.get(key=make_key(acme).key)

    intake.take_in([arrived(make_event(acme, secret_id=secret.pk))])

    secret.refresh_from_db()
    assert secret.last_used_at is not None


def test_records_lie_in_their_months_partition(acme: Project) -> None:
    intake.ensure_partitions()
    intake.take_in([arrived(make_event(acme))])

    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM usage_record")
        [(partition,)] = cursor.fetchall()

    assert partition == f"usage_record_{datetime.now(UTC):%Y%m}"  # noqa: TID251 - compared with the database's clock
