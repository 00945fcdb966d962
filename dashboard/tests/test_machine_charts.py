"""The last day of a machine: what records say of it, and no more of it than is its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.test import Client

from accounts.models import User
from agents import reports
from agents.models import Agent, Worker
from common import clock
from dashboard.machines.charts import busy_percent, charts_of
from dashboard.tests.cast import signed_in
from inference.contracts.entries import dump
from projects.models import Project
from tests.links import link
from tests.make import make_agent, make_event, make_model, request_id
from usage import intake, served
from usage.intake import Arrived

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(acme: Project, valkey: redis.Redis) -> Agent:
    make_model()
    agent = make_agent(acme)
    link(valkey, agent)
    reports.reconcile()
    agent.refresh_from_db()
    return agent


def record(project: Project, worker: str, hours_ago: float = 0, **said: object) -> None:
    at = (clock.now() - timedelta(hours=hours_ago)).timestamp()
    event = make_event(project, worker_id=worker, request_id=request_id(at), **said)
    intake.take_in([Arrived("s", f"{at:.0f}-{event.request_id[-3:]}", dump(event))])


@pytest.mark.parametrize(
    ("busy_s", "slots", "percent"),
    [(0, 4, 0), (3600, 1, 100), (1800, 1, 50), (3600, 4, 25), (90_000, 4, 100), (17, 1, 0)],
)
def test_busy_is_a_share_of_what_an_hour_of_slots_can_do(
    busy_s: float, slots: int, percent: int
) -> None:
    assert busy_percent(busy_s, slots) == percent


def test_charts_are_of_its_own_requests_of_the_last_day(
    acme: Project, rival: Project, agent: Agent
) -> None:
    mine = Worker.objects.get().public_id
    record(acme, mine, tokens_in=10, tokens_out=5, latency_ms=3_600_000 * 2)
    record(acme, mine, status=502, ending="worker_broke", tokens_in=0, tokens_out=0, latency_ms=0)
    record(acme, mine, hours_ago=30)
    record(acme, "wrk_other")
    record(rival, mine)

    requests, tokens, load = charts_of(acme, agent, clock.now())

    assert requests.rows[0].values == (2, 1)
    assert tokens.rows[0].values == (5, 10)
    assert load.rows[0].values == (50,)
    for chart in (requests, tokens, load):
        assert len(chart.rows) == 24
        assert all(set(row.values) == {0} for row in chart.rows[1:])


def test_machine_that_never_said_its_slots_has_no_chart_of_load(acme: Project) -> None:
    assert len(charts_of(acme, make_agent(acme), clock.now())) == 2


def test_hours_without_a_request_are_absent(acme: Project) -> None:
    assert served.hours_of(project=acme, workers=["wrk_1"], since=clock.now()) == []


def test_page_draws_them_once_and_leaves_them_alone_when_it_looks_again(
    ada: User, acme: Project, agent: Agent
) -> None:
    page: Client = signed_in(ada)
    url = f"/dashboard/{acme.public_id}/machines/{agent.public_id}/"

    whole = page.get(url)
    part = page.get(url, headers={"HX-Request": "true"})

    assert len(whole.context["page"].charts) == 3
    assert 'data-chart="load-chart"' in whole.content.decode()
    assert part.context["page"].charts == ()


def test_drain_is_asked_first_and_then_said_on_the_page(
    ada: User, acme: Project, agent: Agent
) -> None:
    page: Client = signed_in(ada)
    url = f"/dashboard/{acme.public_id}/machines/{agent.public_id}/"
    assert page.get(url).context["page"].decisions.drain_url == f"{url}drain/"

    asked = page.get(f"{url}drain/")
    agent.refresh_from_db()
    assert agent.drain_asked_at is None
    assert "finishes what runs" in asked.content.decode()

    page.post(f"{url}drain/")
    shown = page.get(url)
    assert shown.context["page"].decisions.drain_url == ""
    assert "This machine was asked to drain" in shown.content.decode()
