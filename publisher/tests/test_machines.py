"""What the data plane is told of machines: how each stands, and which pools its models are in."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import redis

from agents import backends, lifecycle, services
from agents.models import Agent, AgentState, Worker
from agents.services import Offered
from common import clock
from inference.contracts import agents as contract
from inference.contracts.names import agent_key, own_pool, pool_key, shared_pool
from projects.models import Project
from publisher import machines
from publisher import services as publisher
from tests.links import MODEL
from tests.make import make_agent, make_backend, make_worker

pytestmark = pytest.mark.django_db


def offer(agent: Agent, *names: str) -> None:
    tiers = list(agent.tiers)
    services.offer_models(
        agent, [Offered(name, MODEL, ["chat/completions"], tiers=tiers) for name in names]
    )


def told(agent: Agent) -> contract.AgentEntry:
    return contract.load(machines.agent_entry(Agent.objects.get(pk=agent.pk)).payload)


def addresses(project: Project | None) -> list[tuple[str, str, str]]:
    """Return agent, URL and name at the machine of each worker in an owner's first pool."""
    first = next(iter(machines.pools_of(MODEL, project)))
    workers = json.loads(first.payload)["workers"]
    return [(one["agent"], one["url"], one["served_name"]) for one in workers]


def test_entry_says_whose_a_machine_is_and_how_it_stands(acme: Project) -> None:
    own, shared = make_agent(acme), make_agent(None)

    assert (told(own).agent, told(own).project) == (own.public_id, acme.public_id)
    assert (told(own).state, told(own).gone) == (contract.ACTIVE, False)
    assert told(shared).project == ""


def test_every_decision_raises_the_version_that_gateways_go_by(acme: Project) -> None:
    agent = make_agent(acme)
    versions = [told(agent).version]

    for decide in (lifecycle.suspend_agent, lifecycle.resume_agent, lifecycle.retire_agent):
        decide(agent=Agent.objects.get(pk=agent.pk))
        versions.append(told(agent).version)

    assert versions == sorted(set(versions))
    assert told(agent).gone


@pytest.mark.parametrize("state", ["pending", "active", "suspended"])
def test_state_is_what_people_decided(acme: Project, state: str) -> None:
    agent = make_agent(acme)
    Agent.objects.filter(pk=agent.pk).update(state=AgentState(state))

    assert told(agent).state == state


def test_machine_of_a_project_that_is_marked_for_deletion_is_gone(acme: Project) -> None:
    agent = make_agent(acme)
    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now() + timedelta(days=7))
    before = told(agent)

    [entry] = machines.of_project(acme.pk)

    assert contract.load(entry.payload).gone
    assert entry.version == before.version + 1


def test_pool_leads_to_the_agent_by_the_machines_own_name(acme: Project) -> None:
    agent = make_agent(acme)
    make_worker(project=acme, url="http://10.0.0.1/v1")

    offer(agent, "mine")

    assert sorted(addresses(acme)) == [
        ("", "http://10.0.0.1/v1", ""),
        (agent.public_id, "", "mine"),
    ]


def test_two_models_of_one_kind_on_a_machine_are_two_workers(acme: Project) -> None:
    agent = make_agent(acme)

    offer(agent, "small", "large")

    assert {served for _, _, served in addresses(acme)} == {"small", "large"}


def test_model_that_is_no_longer_offered_leaves_the_pool_and_raises_it(acme: Project) -> None:
    agent = make_agent(acme)
    offer(agent, "mine")
    [before] = machines.pools_of(MODEL, acme)

    offer(agent)

    [after] = machines.pools_of(MODEL, acme)
    assert (before.is_staffed, after.is_staffed) == (True, False)
    assert after.version > before.version
    assert addresses(acme) == []


def test_shared_machine_is_in_the_pools_of_its_tiers_alone(acme: Project) -> None:
    agent = make_agent(None)
    offer(agent, "ours")

    entries = {entry.pool: entry.is_staffed for entry in machines.pools_of(MODEL, None)}

    assert entries[shared_pool("free", MODEL)]
    assert [name for name, is_staffed in entries.items() if is_staffed] == [
        shared_pool("free", MODEL)
    ]
    assert not next(iter(machines.pools_of(MODEL, acme))).is_staffed


def test_reconcile_brings_an_emptied_valkey_its_machines_back(
    acme: Project, valkey: redis.Redis
) -> None:
    agent = make_agent(acme)
    offer(agent, "mine")
    valkey.flushdb()

    publisher.reconcile()

    assert valkey.exists(agent_key(agent.public_id))
    assert valkey.exists(pool_key(own_pool(acme.public_id, MODEL)))


def test_worker_that_was_retired_by_hand_is_in_no_pool_whatever_its_machine_says(
    acme: Project,
) -> None:
    agent = make_agent(acme)
    offer(agent, "mine")
    services.retire_worker(worker=Worker.objects.get())

    offer(agent, "mine")

    assert addresses(acme) == []


def test_backend_is_told_by_its_own_url_and_credential_to_its_projects_pool_alone(
    acme: Project, rival: Project
) -> None:
    backend = make_backend(acme)

    [told] = json.loads(next(iter(machines.pools_of(MODEL, acme))).payload)["workers"]

    assert (told["url"], told["agent"], told["tenant_url"]) == ("", "", backend.url)
    assert told["credential"] == backend.credential
    assert addresses(rival) == []


def test_backend_that_is_paused_or_removed_leaves_its_pool_with_a_higher_version(
    acme: Project,
) -> None:
    backend = make_backend(acme)
    versions = [next(iter(machines.pools_of(MODEL, acme))).version]

    for act in (backends.pause_backend, backends.resume_backend, backends.remove_backend):
        act(backend=backend)
        versions.append(next(iter(machines.pools_of(MODEL, acme))).version)

    assert addresses(acme) == []
    assert versions == sorted(set(versions))


def test_project_that_is_closed_has_nobody_asked_until_it_is_restored(acme: Project) -> None:
    make_backend(acme)
    before = next(iter(machines.pools_of(MODEL, acme))).version

    def told() -> tuple[int, int]:
        [entry] = [one for one in machines.of_project(acme.pk) if one.pool]
        return len(json.loads(entry.payload)["workers"]), entry.version

    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now())
    closed = told()
    Project.objects.filter(pk=acme.pk).update(delete_after=None)
    restored = told()

    assert (closed[0], restored[0]) == (0, 1)
    assert before < closed[1] < restored[1]
