"""What a machine says becomes rows: what is there now wins, whatever was remembered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis

from agents import links, reports, selectors, services
from agents.errors import AgentRetired
from agents.lifecycle import approve_agent, resume_agent, retire_agent, suspend_agent
from agents.models import Agent, AgentEvent, AgentState, Worker, WorkerShift, WorkerState
from agents.rules import shown_state
from agents.services import retire_worker, suspend_worker
from common import clock
from common.problems import Stale
from enrolment.joining import enrol
from inference.contracts import agents as contract
from inference.contracts.names import LINKS, link_key, link_member
from projects.models import Project
from publisher.machines import agent_entry, pools_of
from tests.links import MODEL, READY, cut, link, state_of
from tests.make import Machine, make_agent, make_join_key, make_model, make_tier


@pytest.fixture
def agent(db: None, acme: Project, valkey: redis.Redis) -> Agent:
    make_model(MODEL)
    return make_agent(acme)


def fresh(agent: Agent) -> Agent:
    return Agent.objects.get(pk=agent.pk)


def test_linked_machine_serves_what_it_has_ready(agent: Agent, valkey: redis.Redis) -> None:
    link(valkey, agent, state_of({**READY, "operations": ["chat/completions", "launch/missiles"]}))

    reports.reconcile()

    worker = Worker.objects.get()
    assert (worker.agent, worker.project, worker.model_name) == (agent, agent.project, MODEL)
    assert (worker.url, worker.slots, worker.context_length) == ("", 4, 4096)
    assert worker.operations == ["chat/completions"]
    assert fresh(agent).is_linked
    [entry] = pools_of(MODEL, agent.project)
    assert f'"agent":"{agent.public_id}"' in entry.payload


def test_second_look_changes_nothing(
    agent: Agent, valkey: redis.Redis, django_assert_max_num_queries: Any
) -> None:
    link(valkey, agent)
    assert reports.reconcile() == 1
    version = Worker.objects.get().version

    with django_assert_max_num_queries(5):
        assert reports.reconcile() == 0

    assert Worker.objects.get().version == version


@pytest.mark.parametrize("status", ["missing", "fetching", "loading", "failed", "", None, 7])
def test_model_that_is_not_ready_is_on_no_list(
    agent: Agent, valkey: redis.Redis, status: object
) -> None:
    link(valkey, agent)
    reports.reconcile()

    link(valkey, agent, state_of({**READY, "status": status}))
    reports.reconcile()

    assert not Worker.objects.get().is_offered
    assert not selectors.workers_for(project=agent.project).exists()  # type: ignore[arg-type] # why: acme's
    [entry] = pools_of(MODEL, agent.project)
    assert not entry.is_staffed


def test_model_that_came_back_is_the_same_worker(agent: Agent, valkey: redis.Redis) -> None:
    link(valkey, agent)
    reports.reconcile()
    link(valkey, agent, state_of())
    reports.reconcile()

    link(valkey, agent)
    reports.reconcile()

    assert Worker.objects.get().is_offered
    assert WorkerShift.objects.filter(ended_at=None).count() == 1
    assert WorkerShift.objects.count() == 2


def test_model_the_catalog_does_not_know_is_kept_and_not_served(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent, state_of({**READY, "name": "mystery-7b"}))

    reports.reconcile()

    assert not Worker.objects.exists()
    told = fresh(agent).reported
    assert reports.unknown_models(told, [MODEL]) == ["mystery-7b"]


def test_name_is_the_catalogs_however_the_machine_writes_it(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent, state_of({**READY, "name": "SmolLM2-135M-Instruct"}))

    reports.reconcile()

    worker = Worker.objects.get()
    assert (worker.model_name, worker.served_name) == (MODEL, "SmolLM2-135M-Instruct")


def test_what_people_decided_of_a_worker_outlives_every_report(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent)
    reports.reconcile()
    suspend_worker(worker=Worker.objects.get())

    link(valkey, agent, state_of({**READY, "context": 8192}))
    reports.reconcile()
    assert Worker.objects.get().state == WorkerState.SUSPENDED
    assert not WorkerShift.objects.filter(ended_at=None).exists()

    retire_worker(worker=Worker.objects.get())
    reports.reconcile()
    assert Worker.objects.get().state == WorkerState.RETIRED
    assert not selectors.workers_for(project=agent.project).exists()  # type: ignore[arg-type] # why: acme's


def test_lost_machine_keeps_its_models_until_it_is_dead(
    agent: Agent, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(valkey, agent)
    reports.reconcile()
    cut(valkey, agent)

    reports.reconcile()
    assert not fresh(agent).is_linked
    assert Worker.objects.get().is_offered

    Agent.objects.update(seen_at=clock.now() - reports.DEAD_AFTER)
    reports.reconcile()
    reports.reconcile()
    assert fresh(agent).is_dead
    assert not Worker.objects.get().is_offered

    link(valkey, agent)
    reports.reconcile()
    assert (fresh(agent).is_dead, fresh(agent).is_linked) == (False, True)
    assert Worker.objects.get().is_offered
    told = list(AgentEvent.objects.order_by("id").values_list("what", flat=True))
    assert told == ["enrolled", "linked", "lost", "dead", "linked"]


def test_machine_with_two_links_loses_one_and_stays(agent: Agent, valkey: redis.Redis) -> None:
    link(valkey, agent)
    link(valkey, agent, gateway="gw2")
    reports.reconcile()

    cut(valkey, agent, "gw1")
    reports.reconcile()

    assert fresh(agent).is_linked
    assert len(links.of_agents([agent.public_id])[agent.public_id]) == 1


def test_nobody_is_called_gone_while_valkey_can_not_be_asked(
    agent: Agent, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(valkey, agent)
    reports.reconcile()
    nowhere = redis.Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=0.1)
    monkeypatch.setattr(links, "client", lambda: nowhere)

    assert reports.reconcile() == 0

    assert fresh(agent).is_linked


@pytest.mark.parametrize("state", [AgentState.PENDING, AgentState.SUSPENDED])
def test_machine_that_may_not_work_offers_nothing(
    agent: Agent, valkey: redis.Redis, state: str
) -> None:
    link(valkey, agent)
    reports.reconcile()
    Agent.objects.update(state=AgentState.ACTIVE if state == "suspended" else state)
    if state == AgentState.SUSPENDED:
        suspend_agent(agent=fresh(agent), reason="too hot")
    else:
        Worker.objects.update(is_offered=False)

    reports.reconcile()

    assert not Worker.objects.get().is_offered
    assert f'"state":"{state}"' in agent_entry(fresh(agent)).payload


def test_approved_and_resumed_machine_serves_with_the_next_look(
    acme: Project, valkey: redis.Redis
) -> None:
    make_model(MODEL)
    waiting = enrol(Machine().joining(make_join_key(acme, needs_approval=True).secret)).agent
    link(valkey, waiting)
    reports.reconcile()
    assert not Worker.objects.exists()

    approve_agent(agent=fresh(waiting))
    reports.reconcile()
    assert Worker.objects.get().is_offered

    suspend_agent(agent=fresh(waiting))
    assert not Worker.objects.get().is_offered
    resume_agent(agent=fresh(waiting))
    reports.reconcile()
    assert Worker.objects.get().is_offered


def test_retired_machine_is_a_tombstone_and_its_models_are_gone(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent)
    reports.reconcile()
    before = agent_entry(fresh(agent))

    assert retire_agent(agent=fresh(agent), reason="sold")
    assert not retire_agent(agent=fresh(agent))

    reports.reconcile()
    entry = agent_entry(fresh(agent))
    assert entry.version > before.version
    assert contract.load(entry.payload).gone
    assert not Worker.objects.get().is_offered
    with pytest.raises(AgentRetired):
        resume_agent(agent=fresh(agent))


def test_decision_about_a_machine_that_has_changed_is_refused(agent: Agent) -> None:
    seen = fresh(agent)
    suspend_agent(agent=fresh(agent))

    with pytest.raises(Stale):
        resume_agent(agent=seen)


def test_shared_machine_carries_the_tiers_of_its_join_key(db: None, valkey: redis.Redis) -> None:
    make_model(MODEL)
    shared = make_agent(None)
    link(valkey, shared)

    reports.reconcile()

    worker = Worker.objects.get()
    assert (worker.project, worker.tiers) == (None, ["free"])


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"models": None},
        {"models": "all"},
        {"models": [None, 7, [], {"name": None}, {"name": ""}, {"name": "x" * 201}]},
        {"models": [{"name": MODEL, "status": ["ready"]}], "slots": "many"},
        {"models": [{"name": MODEL, "status": "ready", "operations": {}, "task": []}]},
        {"models": [READY, READY], "engine": [], "slots": True},
        {"models": [{**READY, "context": 2**40}], "slots": -1, "engine": {"kind": 7}},
        {"models": [{**READY, "name": "a\0b"}, {**READY, "reason": "\0"}], "xim": "\0"},
        {"models": [{**READY, "context": float("nan")}], "engine": {"kind": float("inf")}},
    ],
)
def test_nonsense_of_a_machine_harms_nobody(
    agent: Agent, valkey: redis.Redis, state: dict[str, Any]
) -> None:
    link(valkey, agent, state)

    reports.reconcile()
    reports.reconcile()

    for worker in Worker.objects.all():
        assert worker.operations
        assert worker.slots is None
    assert fresh(agent).is_linked


def test_facts_that_can_not_be_kept_are_left_out(agent: Agent, valkey: redis.Redis) -> None:
    for facts in ({"a": "\0"}, {"a": float("nan")}, {"a": "x" * 9000}, {"cpus": 8}):
        now = clock.now().timestamp()
        report = contract.LinkReport("gw1", now, now, 0, state_of(READY), facts)
        valkey.set(link_key(agent.public_id, "gw1"), contract.dump(report))
        valkey.zadd(LINKS, {link_member(agent.public_id, "gw1"): now})
        reports.reconcile()

    assert fresh(agent).facts == {"cpus": 8}


def test_fault_with_one_machine_stops_no_other(
    agent: Agent, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_agent(agent.project)
    for each in (agent, other):
        link(valkey, each)
    theirs = services.offer_models

    def fails_for_one(which: Agent, offered: Any) -> int:
        if which == agent:
            raise ZeroDivisionError
        return theirs(which, offered)

    monkeypatch.setattr(reports, "offer_models", fails_for_one)
    reports.reconcile()

    assert Worker.objects.get().agent == other


def test_as_many_models_as_one_machine_may_have() -> None:
    state = state_of(*({**READY, "name": f"m{number}"} for number in range(100)))

    assert len(reports.lasting(state)["models"]) == reports.MODELS_MAX


@pytest.mark.parametrize(
    ("state", "is_linked", "is_dead", "shown"),
    [
        ("active", True, False, "active"),
        ("active", False, False, "disconnected"),
        ("active", False, True, "dead"),
        ("pending", False, False, "pending"),
        ("suspended", False, True, "suspended"),
        ("retired", False, False, "retired"),
    ],
)
def test_machine_stands_as_people_decided_and_then_as_it_is(
    state: str, is_linked: bool, is_dead: bool, shown: str
) -> None:
    assert shown_state(state, is_linked=is_linked, is_dead=is_dead) == shown


def test_seen_is_no_write_for_every_beat(agent: Agent, valkey: redis.Redis) -> None:
    link(valkey, agent)
    reports.reconcile()
    Agent.objects.update(seen_at=clock.now() - timedelta(seconds=16))

    reports.reconcile()
    seen = fresh(agent).seen_at
    link(valkey, agent)
    reports.reconcile()

    assert seen is not None
    assert clock.now() - seen < timedelta(seconds=10)
    assert fresh(agent).seen_at == seen


def test_machine_carries_the_tiers_whose_accelerator_it_reports_and_is_where_its_key_says(
    db: None, valkey: redis.Redis
) -> None:
    make_model(MODEL)
    make_tier("gpu_nvidia_shared")
    key = make_join_key(tiers=("gpu_nvidia_shared",), region="eu-west")
    agent = enrol(Machine().joining(key.secret, name="gpu-1")).agent
    link(valkey, agent)
    reports.reconcile()
    worker = Worker.objects.get()
    assert (worker.tiers, worker.region) == ([], "eu-west")

    Agent.objects.update(facts={"accelerators": [{"kind": "cuda", "name": "H100"}]})
    reports.reconcile()

    worker.refresh_from_db()
    assert worker.tiers == ["gpu_nvidia_shared"]


def test_machine_that_has_a_chat_model_for_embeddings_serves_nobody(
    agent: Agent, valkey: redis.Redis
) -> None:
    link(valkey, agent, state_of({**READY, "operations": ["embeddings"]}))

    reports.reconcile()

    assert not Worker.objects.exists()
