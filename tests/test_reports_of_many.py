"""Many machines that say nothing new: what is not looked at again, and what is all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis

from agents import reports, selectors, services
from agents.models import Agent, Worker
from common import clock
from projects.models import Project
from tests.links import MODEL, READY, link, state_of
from tests.make import make_agent, make_model


@pytest.fixture
def agent(db: None, acme: Project, valkey: redis.Redis) -> Agent:
    make_model(MODEL)
    return make_agent(acme)


def fresh(agent: Agent) -> Agent:
    return Agent.objects.get(pk=agent.pk)


def test_many_that_say_nothing_new_take_no_more_questions_than_one(
    agent: Agent, acme: Project, valkey: redis.Redis, django_assert_num_queries: Any
) -> None:
    everyone = [agent, *(make_agent(acme) for _ in range(8))]
    for each in everyone:
        link(valkey, each)
    assert reports.reconcile() == 9
    assert reports.reconcile() == 0

    for each in everyone:
        link(valkey, each, state_of({**READY, "running": 3}, seq=2, running=3))
    with django_assert_num_queries(3):  # Twice the catalog, and how all stand.
        assert reports.reconcile() == 0


def test_only_the_one_that_has_news_is_looked_at(
    agent: Agent, acme: Project, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = [agent, *(make_agent(acme) for _ in range(3))]
    for each in everyone:
        link(valkey, each)
    reports.reconcile()
    reports.reconcile()
    asked: list[set[str]] = []
    whole = selectors.agents_with_workers

    def watched(public_ids: Any) -> Any:
        asked.append(set(public_ids))
        return whole(public_ids)

    monkeypatch.setattr(selectors, "agents_with_workers", watched)
    link(valkey, everyone[2], state_of({**READY, "status": "failed"}))
    assert reports.reconcile() == 1

    assert asked == [{everyone[2].public_id}]


def test_row_that_others_changed_is_set_right_though_the_machine_says_nothing_new(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent)
    reports.reconcile()
    reports.reconcile()
    Agent.objects.filter(pk=agent.pk).update(reported={"slots": 99})
    services.withdraw_workers(fresh(agent))

    assert reports.reconcile() == 1

    assert fresh(agent).reported["slots"] == 4
    assert Worker.objects.get().is_offered


def test_machine_that_says_nothing_new_is_seen_all_the_same(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent)
    reports.reconcile()
    reports.reconcile()
    long_ago = clock.now() - timedelta(minutes=20)
    Agent.objects.filter(pk=agent.pk).update(seen_at=long_ago)

    reports.reconcile()
    seen_at = fresh(agent).seen_at
    reports.reconcile()

    assert seen_at is not None
    assert seen_at > long_ago + timedelta(minutes=19)
    assert fresh(agent).seen_at == seen_at, "not a write for every beat"
