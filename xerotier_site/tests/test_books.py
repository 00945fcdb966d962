"""The page of the console on which all books stand side by side."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from inference.contracts.entries import dump
from projects.models import Project
from tests.make import make_event, request_id
from usage import intake
from usage.intake import Arrived

pytestmark = pytest.mark.django_db
HOUR_S = 3600


def take(project: Project, hours_ago: float = 0, **said: object) -> None:
    moment = time.time() - hours_ago * HOUR_S
    event = make_event(project, request_id=request_id(at=moment), **said)
    intake.take_in([Arrived("s", "1-1", dump(event))])


def test_console_shows_every_book_and_that_none_differs(
    as_operator: Client, acme: Project, rival: Project
) -> None:
    take(acme, cost=30)
    take(rival, cost=7)

    answer = as_operator.get(reverse("admin:usage_reconcile"))

    assert (answer.context["compared"], answer.context["differing"]) == (2, 0)
    by_project = {day.project: day for day, _ in answer.context["rows"]}
    for book in by_project[acme.public_id].books:
        assert book.figures == ((None, None, 30) if book.name == "ledger" else (1, 20, 30))
    assert "2 project days compared, none differs" in answer.content.decode()


def test_console_puts_a_day_that_differs_first_and_says_in_what(
    as_operator: Client, acme: Project, rival: Project
) -> None:
    take(acme, cost=30)
    take(rival, hours_ago=48, cost=7)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_record SET tokens_in = 0 WHERE project_id = %s", [rival.pk])

    answer = as_operator.get(reverse("admin:usage_reconcile"))

    assert answer.context["differing"] == 1
    day, found = answer.context["rows"][0]
    assert day.project == rival.public_id
    assert len(found) == 4
    html = answer.content.decode()
    assert "1 differ: look here" in html
    assert "tokens is 8 in the records and 20 in the daily rollups" in html


def test_console_takes_no_period_but_those_it_offers(as_operator: Client, acme: Project) -> None:
    take(acme, hours_ago=20 * 24)
    page = reverse("admin:usage_reconcile")

    spans = {said: as_operator.get(page, {"days": said}).context for said in ("7", "31", "x", "-1")}

    assert [spans[said]["span"] for said in ("7", "31", "x", "-1")] == [7, 31, 7, 7]
    assert [spans[said]["compared"] for said in ("7", "31", "x", "-1")] == [0, 1, 0, 0]
