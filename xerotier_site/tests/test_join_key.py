"""How an operator lets machines in: by command and at the console, the key shown once."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from agents.models import Agent, AgentState
from audit.models import AuditEntry
from enrolment.joining import enrol
from enrolment.models import JoinKey
from projects.models import Project
from tests.make import Machine, make_agent, make_tier

pytestmark = pytest.mark.django_db


def said(*words: str) -> str:
    out = StringIO()
    call_command("join_key", *words, stdout=out)
    return out.getvalue().strip()


def test_command_prints_a_key_that_lets_shared_machines_in() -> None:
    make_tier("free")

    secret = said("make", "rack 7", "--tier", "free", "--uses", "0", "--pattern", "gpu-*")

    agents = [enrol(Machine().joining(secret, name=name)).agent for name in ("gpu-1", "gpu-2")]
    assert {(agent.project, tuple(agent.tiers)) for agent in agents} == {(None, ("free",))}
    listed = said("list")
    assert secret not in listed
    assert "open  2 of ∞  free  rack 7" in listed


def test_command_makes_a_projects_own_and_revokes_it(acme: Project) -> None:
    said("make", "mine", "--project", "acme", "--days", "1", "--approve")
    [key] = JoinKey.objects.all()

    assert (key.project, key.needs_approval, key.uses_max) == (acme, True, 1)
    assert key.expires_at is not None
    assert said("revoke", key.public_id, "--project", "acme") == "Revoked."
    assert said("revoke", key.public_id, "--project", "acme") == "It was revoked already."
    assert said("list") == ""


@pytest.mark.parametrize(
    "words",
    [
        ("make", "rack"),
        ("make", "rack", "--tier", "none"),
        ("make", "rack", "--project", "nobody"),
        ("make", "rack", "--project", "acme", "--uses", "-1"),
        ("make", "rack", "--project", "acme", "--days", "0"),
        ("revoke", "jk_none"),
    ],
)
def test_command_says_in_a_sentence_what_is_wrong(acme: Project, words: tuple[str, ...]) -> None:
    make_tier("free")

    with pytest.raises(CommandError, match=r"\.|list$"):
        said(*words)

    assert not JoinKey.objects.exists()


def test_console_shows_a_new_key_once_and_keeps_no_copy(as_operator: Client) -> None:
    make_tier("free")
    form = {"name": "rack", "tiers": ["free"], "uses_max": "2", "region": "", "name_pattern": ""}
    inline = {"uses_made-TOTAL_FORMS": "0", "uses_made-INITIAL_FORMS": "0"}

    page = as_operator.post("/admin/enrolment/joinkey/add/", {**form, **inline}, follow=True)

    [key] = JoinKey.objects.all()
    assert page.status_code == 200
    assert "xjk_platform_" in page.content.decode()
    assert (key.project, key.uses_max, key.tiers) == (None, 2, ["free"])
    again = as_operator.get("/admin/enrolment/joinkey/").content.decode()
    assert "xjk_platform_…" in again
    assert AuditEntry.objects.filter(action="join_key.issued").count() == 1


def test_console_says_what_is_wrong_with_a_key(as_operator: Client) -> None:
    make_tier("free")
    form = {"name": "rack", "tiers": ["free"], "uses_max": "2", "name_pattern": "a b"}
    inline = {"uses_made-TOTAL_FORMS": "0", "uses_made-INITIAL_FORMS": "0"}

    page = as_operator.post("/admin/enrolment/joinkey/add/", {**form, **inline})

    assert "A pattern has letters" in page.content.decode()
    assert not JoinKey.objects.exists()


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [
        ("approve", "pending", "active"),
        ("approve", "suspended", "suspended"),
        ("suspend", "active", "suspended"),
        ("resume", "suspended", "active"),
        ("resume", "pending", "pending"),
        ("retire", "active", "retired"),
        ("suspend", "retired", "retired"),
    ],
)
def test_operator_decides_of_a_machine_as_its_owner_does(
    as_operator: Client, acme: Project, act: str, before: str, after: str
) -> None:
    agent = make_agent(acme)
    Agent.objects.update(state=AgentState(before))

    as_operator.post("/admin/agents/agent/", {"action": act, "_selected_action": [agent.pk]})

    assert Agent.objects.get().state == after


def test_operator_looks_at_a_machine_and_its_events(as_operator: Client, acme: Project) -> None:
    agent = make_agent(acme)

    page = as_operator.get(f"/admin/agents/agent/{agent.pk}/change/")

    assert page.status_code == 200
    text = page.content.decode()
    assert agent.fingerprint in text
    assert "enrolled" in text
    assert agent.public_key not in text
