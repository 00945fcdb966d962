"""Machines by page: what is shown is what the API says, and who may decide what."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from agents import lifecycle, reports
from agents.models import Agent, AgentState
from common import clock
from dashboard.machines.rows import machine_row
from dashboard.machines.served import UNKNOWN
from dashboard.tests.cast import signed_in
from inference.contracts.agents import LinkReport
from projects.models import Project
from projects.rules import Role
from tests.links import MODEL, READY, cut, link, state_of
from tests.make import make_agent, make_endpoint, make_model, make_tier, make_user, seat

HOSTILE = "<script>alert(1)</script>"
LOADING = {"name": "qwen", "status": "loading", "reason": "reading weights", "task": "generate"}


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/machines/"


def linked(valkey: redis.Redis, agent: Agent, state: dict[str, Any] | None = None) -> None:
    link(valkey, agent, state)
    reports.reconcile()


def words(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def test_list_shows_what_the_api_says(
    page: Client, as_ada: APIClient, acme: Project, valkey: redis.Redis
) -> None:
    make_model()
    gone, busy = make_agent(acme, name="gone"), make_agent(acme, name="busy")
    load = {"slots": 8, "running": 3, "waiting": 2, "tokens_per_s": 41.25}
    link(valkey, gone)
    linked(valkey, busy, state_of(READY, **load))
    cut(valkey, gone)
    reports.reconcile()

    shown = page.get(base(acme)).context["page"].machines
    told = as_ada.get(f"/{acme.public_id}/v1/management/agents").json()["data"]

    assert [(row.name, row.state.word) for row in shown] == [
        (one["name"], one["state"]) for one in told
    ]
    assert [row.state.word for row in shown] == ["active", "disconnected"]
    first = shown[0].load
    assert first is not None
    assert (first.at_work, first.waiting, first.tokens_per_s) == ("3 of 8", 2, "41.2")
    assert shown[1].load is None
    assert [model.name for model in shown[0].models] == [MODEL]
    assert [model["name"] for model in told[0]["models"]] == [MODEL]
    assert shown[0].version == told[0]["version"] == "1.0"


@pytest.mark.parametrize("query", ["", "?state=pending", "?state=away", "?state=retired"])
def test_list_is_filtered_by_how_machines_stand(page: Client, acme: Project, query: str) -> None:
    states = {"waits": AgentState.PENDING, "works": AgentState.ACTIVE, "left": AgentState.RETIRED}
    for name, state in states.items():
        Agent.objects.filter(pk=make_agent(acme, name=name).pk).update(state=state)

    shown = {row.name for row in page.get(base(acme) + query).context["page"].machines}

    wanted = {"": {"waits", "works"}, "?state=pending": {"waits"}, "?state=away": {"works"}}
    assert shown == wanted.get(query, {"left"})


def test_empty_list_says_in_three_lines_how_a_machine_joins(page: Client, acme: Project) -> None:
    answer = words(page.get(base(acme)))

    lines = answer.partition("<pre")[2].partition(">")[2].partition("</pre>")[0].splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["pip", "install"],
        ["xim", "enroll"],
        ["xim", "run"],
    ]
    assert f'{base(acme)}join-keys/new/"' in answer


def test_list_and_page_ask_for_themselves_without_the_frame(page: Client, acme: Project) -> None:
    machine = make_agent(acme, name="gpu1")

    for path in (base(acme), f"{base(acme)}{machine.public_id}/"):
        whole = page.get(path).content.decode()
        part = page.get(path, headers={"HX-Request": "true"}).content.decode()
        assert f'hx-get="{path}" hx-trigger="every 5s"' in whole
        assert f'hx-get="{path}" hx-trigger="every 5s"' in part
        assert "gpu1" in part
        assert "<html" not in part


def test_model_that_is_not_served_says_why(
    page: Client, acme: Project, valkey: redis.Redis
) -> None:
    make_model()
    agent = make_agent(acme)
    linked(valkey, agent, state_of(READY, {**READY, "name": "homemade"}, LOADING))

    shown = page.get(f"{base(acme)}{agent.public_id}/").context["page"].machine.models
    why = {model.name: model.why_not for model in shown}

    assert why[MODEL] == ""
    assert why["homemade"] == UNKNOWN
    # Unknown and not ready: nothing helps until the catalog knows it.
    assert why["qwen"] == UNKNOWN
    assert {model.state.word for model in shown if model.why_not} == {"not served"}


def test_known_model_that_is_not_ready_says_what_the_machine_says(
    page: Client, acme: Project, valkey: redis.Redis
) -> None:
    make_model()
    agent = make_agent(acme)
    linked(valkey, agent, state_of({**LOADING, "name": MODEL}))

    [model] = page.get(f"{base(acme)}{agent.public_id}/").context["page"].machine.models

    assert model.why_not == "The machine says: loading (reading weights)."


def test_page_names_links_events_and_the_endpoints_it_can_serve(
    page: Client, acme: Project, valkey: redis.Redis
) -> None:
    make_tier("self_hosted")
    make_endpoint(acme, "own", tier="self_hosted")
    make_endpoint(acme, "shared")
    agent = make_agent(acme, name="gpu1", facts={"hostname": "h1", "memory_bytes": 2**33})
    linked(valkey, agent)

    answer = page.get(f"{base(acme)}{agent.public_id}/")

    shown = answer.context["page"]
    assert [(slug, why) for slug, _, _, why in shown.endpoints] == [("own", "")]
    assert [(one.gateway, one.peer) for one in shown.links] == [("gw1", "10.0.0.9")]
    assert [event.what for event in shown.events] == ["linked", "enrolled"]
    assert dict(shown.facts) == {"Hostname": "h1", "Memory": "8.0 GiB"}
    assert agent.fingerprint in answer.content.decode()


def test_machine_is_approved_suspended_with_a_reason_resumed_and_revoked(
    page: Client, acme: Project
) -> None:
    agent = make_agent(acme, name="gpu1")
    Agent.objects.filter(pk=agent.pk).update(state=AgentState.PENDING)
    own = f"{base(acme)}{agent.public_id}/"
    states = []
    for act in ("resume", "approve", "suspend", "resume", "revoke"):
        page.post(f"{own}{act}/", {"reason": "new cards"})
        agent.refresh_from_db()
        states.append((agent.state, agent.reason))

    # Whoever waits for approval is not let in by “resume”.
    assert states == [
        ("pending", ""),
        ("active", ""),
        ("suspended", "new cards"),
        ("active", ""),
        ("retired", ""),
    ]
    events = page.get(own).context["page"].events
    assert [(one.what, one.detail) for one in events[:4]] == [
        ("retired", ""),
        ("resumed", ""),
        ("suspended", "new cards"),
        ("approved", ""),
    ]


def test_revoking_is_asked_first(page: Client, acme: Project) -> None:
    agent = make_agent(acme, name="gpu1")

    asked = page.get(f"{base(acme)}{agent.public_id}/revoke/", headers={"HX-Request": "true"})

    agent.refresh_from_db()
    assert "<html" not in asked.content.decode()
    assert "Revoke “gpu1”" in asked.content.decode()
    assert agent.state == AgentState.ACTIVE


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("pending", {"approve_url", "revoke_url"}),
        ("active", {"suspend_url", "revoke_url"}),
        ("suspended", {"resume_url", "revoke_url"}),
        ("retired", set()),
    ],
)
def test_page_offers_admins_what_a_state_allows_and_members_nothing(
    page: Client, acme: Project, state: str, offered: set[str]
) -> None:
    agent = make_agent(acme)
    Agent.objects.filter(pk=agent.pk).update(state=state)
    member = make_user()
    seat(acme, member, Role.MEMBER)
    own = f"{base(acme)}{agent.public_id}/"

    found = page.get(own).context["page"].decisions
    theirs = signed_in(member).get(own)

    assert {name for name in found.__slots__ if getattr(found, name)} == offered
    assert not any(getattr(theirs.context["page"].decisions, name) for name in found.__slots__)
    assert own + "revoke/" not in theirs.content.decode()


def test_machine_of_another_project_or_of_the_platform_is_not_there(
    page: Client, acme: Project, rival: Project
) -> None:
    for agent in (make_agent(rival, name="theirs"), make_agent(None, name="everyones")):
        own = f"{base(acme)}{agent.public_id}/"
        assert page.get(own).status_code == 404
        for act in ("approve", "suspend", "resume", "revoke"):
            assert page.post(f"{own}{act}/").status_code == 404
        agent.refresh_from_db()
        assert agent.state == AgentState.ACTIVE
    assert page.get(base(acme)).context["page"].machines == ()


@pytest.mark.parametrize("path", ["", "{machine}/"])
def test_whatever_a_machine_says_of_itself_is_text(
    page: Client, acme: Project, valkey: redis.Redis, path: str
) -> None:
    deep: Any = HOSTILE
    for _ in range(40):
        deep = [deep]
    facts = {HOSTILE: HOSTILE, "list": [HOSTILE, {"name": HOSTILE}], "deep": deep, "n": None}
    agent = make_agent(acme, facts={**facts, "memory_bytes": 10**400})
    said = {"xim": HOSTILE, "engine": {"kind": HOSTILE, "version": 7}, "running": 10**400}
    linked(valkey, agent, state_of({**READY, "name": HOSTILE, "reason": HOSTILE}, **said))
    lifecycle.suspend_agent(agent=Agent.objects.get(pk=agent.pk), reason=HOSTILE)

    answer = page.get(base(acme) + path.format(machine=agent.public_id))

    assert answer.status_code == 200
    assert HOSTILE not in answer.content.decode()
    assert HOSTILE in words(answer)


@pytest.mark.parametrize("running", [float("inf"), float("nan"), -1, True, "many", [], 10**400])
def test_load_that_can_not_be_breaks_neither_page_nor_api(
    page: Client, as_ada: APIClient, acme: Project, valkey: redis.Redis, running: Any
) -> None:
    agent = make_agent(acme)
    linked(valkey, agent, state_of(READY, running=running, kv=running, tokens_per_s=running))

    shown = page.get(base(acme)).context["page"].machines[0].load
    told = as_ada.get(f"/{acme.public_id}/v1/management/agents/{agent.public_id}").json()["load"]

    assert (shown.at_work, shown.tokens_per_s, shown.kv_percent) == ("0 of 4", "0.0", None)
    assert (told["running"], told["tokens_per_s"], told["kv"]) == (0, 0, None)


def test_linked_machine_was_seen_when_its_link_last_said_something(acme: Project) -> None:
    agent = make_agent(acme)
    agent.seen_at = clock.now() - timedelta(days=1)
    seen = clock.now().timestamp() - 2
    report = LinkReport("gw", seen - 60, seen, 0)

    assert machine_row(acme, agent, [], {}).seen_at == agent.seen_at
    assert machine_row(acme, agent, [report], {}).seen_at == datetime.fromtimestamp(seen, UTC)
