"""A drain that is asked for reaches the machine, and is over once that has gone."""

from __future__ import annotations

import json

import pytest
import redis
from rest_framework.test import APIClient

from agents import lifecycle, reports
from agents.models import Agent, AgentEvent, AgentState
from inference.contracts.agents import DRAINING
from inference.contracts.names import agent_key, link_key
from projects.models import Project
from publisher.machines import agent_entry
from tests.links import cut, link
from tests.make import make_agent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(acme: Project, valkey: redis.Redis) -> Agent:
    agent = make_agent(acme)
    link(valkey, agent)
    reports.reconcile()
    agent.refresh_from_db()
    return agent


def told(valkey: redis.Redis, agent: Agent) -> str:
    return str(json.loads(str(valkey.get(agent_key(agent.public_id))))["state"])


def events(agent: Agent) -> list[str]:
    return list(AgentEvent.objects.filter(agent=agent).values_list("what", flat=True))


def test_drain_is_told_to_the_gateways_until_the_machine_has_gone(
    agent: Agent, valkey: redis.Redis
) -> None:
    lifecycle.drain_agent(agent=agent)
    reports.reconcile()  # It still runs: what was asked for is not forgotten.
    assert told(valkey, agent) == DRAINING

    cut(valkey, agent)
    reports.reconcile()

    assert told(valkey, agent) == "active"
    assert events(agent)[:2] == ["drained", "drain_asked"]


def test_machine_that_was_started_again_before_anybody_looked_serves_again(
    agent: Agent, valkey: redis.Redis
) -> None:
    lifecycle.drain_agent(agent=agent)
    name = link_key(agent.public_id, "gw1")
    report = json.loads(str(valkey.get(name)))
    report["since"] += 3600
    valkey.set(name, json.dumps(report))

    reports.reconcile()

    agent.refresh_from_db()
    assert agent.drain_asked_at is None
    assert told(valkey, agent) == "active"
    assert events(agent)[0] == "started again"


@pytest.mark.parametrize(
    "columns",
    [{"state": AgentState.SUSPENDED}, {"state": AgentState.PENDING}, {"is_linked": False}],
    ids=["suspended", "pending", "away"],
)
def test_machine_that_does_no_work_is_left_as_it_is(
    agent: Agent, columns: dict[str, object]
) -> None:
    Agent.objects.filter(pk=agent.pk).update(**columns)

    lifecycle.drain_agent(agent=agent)

    agent.refresh_from_db()
    assert agent.drain_asked_at is None


def test_drain_that_is_asked_for_twice_is_one(agent: Agent) -> None:
    lifecycle.drain_agent(agent=agent)
    first = Agent.objects.get(pk=agent.pk)
    lifecycle.drain_agent(agent=first)

    assert Agent.objects.get(pk=agent.pk).version == first.version
    assert events(agent).count("drain_asked") == 1


def test_machine_that_is_suspended_while_it_drains_is_told_so(agent: Agent) -> None:
    lifecycle.drain_agent(agent=agent)
    lifecycle.suspend_agent(agent=Agent.objects.get(pk=agent.pk))

    assert json.loads(agent_entry(Agent.objects.get(pk=agent.pk)).payload)["state"] == "suspended"


def test_drain_is_asked_for_by_api(as_ada: APIClient, acme: Project, agent: Agent) -> None:
    url = f"/{acme.public_id}/v1/management/agents/{agent.public_id}"

    answer = as_ada.patch(url, {"state": "draining"}, format="json", headers={"If-Match": "*"})

    assert answer.status_code == 200
    assert answer.json()["drain_asked_at"] is not None
    assert answer.json()["state"] == "active"
