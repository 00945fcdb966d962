"""What is guarded: the machine of ``make run`` is let in once, by a join key that is gone then."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agents import lifecycle
from agents.models import Agent, AgentState, Worker, WorkerState
from agents.selectors import carrying
from agents.services import Enrolment, add_worker
from audit.models import AuditEntry
from catalog.services import load_defaults
from enrolment.models import JoinKey, JoinKeyUse
from xerotier_site import own_machine
from xerotier_site.embedded.seat import Unusable
from xerotier_site.own_machine import CHAT, EMBED, settle
from xim.state import State

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1:8000"
BOTH = (CHAT.model, EMBED.model)


@pytest.fixture(autouse=True)
def _catalog(db: None) -> None:
    load_defaults()


def offered() -> set[str]:
    """Return the models that callers of its tiers get, and nobody has to be heard before."""
    rows = [
        {row.model_name for row in carrying(tier, is_self_hosted=False)}
        for tier in own_machine.tiers_of_this_machine()
    ]
    assert rows[0] == rows[1]
    return rows[0]


def test_first_start_lets_the_machine_in_and_offers_its_models(tmp_path: Path) -> None:
    folder = tmp_path / "xim"

    assert settle(folder, URL, BOTH) == ""

    [agent] = Agent.objects.all()
    _, kept = State(folder).enrolled()
    assert (kept.agent, kept.url) == (agent.public_id, URL)
    assert kept.tunnel == "ws://127.0.0.1:8000/agents/v1/tunnel"
    assert agent.tiers == list(own_machine.tiers_of_this_machine())
    assert offered() == set(BOTH)
    chat = Worker.objects.get(model_name=CHAT.model)
    assert chat.operations == ["chat/completions", "completions", "responses"]
    assert (chat.cache_scope, chat.context_length) == ("none", 2048)
    embed = Worker.objects.get(model_name=EMBED.model)
    assert set(embed.operations) == {"embeddings", "score", "rerank"}


def test_nothing_but_its_owner_reads_what_it_keeps_and_no_row_has_the_join_key(
    tmp_path: Path,
) -> None:
    settle(tmp_path / "xim", URL, BOTH)

    files = sorted((tmp_path / "xim").iterdir())
    assert [file.name for file in files] == ["enrollment.json", "key"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "xim").stat().st_mode & 0o777 == 0o700
    told = json.dumps(list(AuditEntry.objects.values("action", "after")), default=str)
    assert "join_key.issued" in told
    assert re.search(r"xjk_\w{40}", told) is None
    assert "xjk_" not in "".join(file.read_text() for file in files)


def test_join_key_lets_in_this_machine_alone_and_is_closed_at_once(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)

    [key] = JoinKey.objects.all()
    assert (key.uses, key.uses_max, key.project) == (1, 1, None)
    assert key.revoked_at is not None
    assert JoinKeyUse.objects.get().agent == Agent.objects.get()


def test_later_start_finds_the_same_machine_at_todays_address(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)
    _, before = State(tmp_path / "xim").enrolled()

    settle(tmp_path / "xim", "http://127.0.0.1:9000", BOTH)

    _, after = State(tmp_path / "xim").enrolled()
    assert (after.agent, JoinKey.objects.count()) == (before.agent, 1)
    assert after.tunnel == "ws://127.0.0.1:9000/agents/v1/tunnel"
    assert offered() == set(BOTH)


def test_model_that_can_not_run_today_is_off_the_list(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)

    settle(tmp_path / "xim", URL, [EMBED.model])

    assert offered() == {EMBED.model}


def test_start_without_models_makes_no_machine(tmp_path: Path) -> None:
    assert settle(tmp_path / "xim", URL, ()) == ""

    assert not Agent.objects.exists()
    assert not JoinKey.objects.exists()
    assert not (tmp_path / "xim").exists()


def test_start_without_models_takes_those_of_before_off_the_list(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)

    settle(tmp_path / "xim", URL, ())

    assert offered() == set()
    assert Agent.objects.get().state == AgentState.ACTIVE


def test_folder_of_a_database_that_is_gone_enrols_anew_with_its_key(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)
    identity, before = State(tmp_path / "xim").enrolled()
    Worker.objects.all().delete()
    Agent.objects.all().delete()

    assert settle(tmp_path / "xim", URL, BOTH) == ""

    again, after = State(tmp_path / "xim").enrolled()
    assert after.agent == Agent.objects.get().public_id != before.agent
    assert again.public == identity.public


def test_database_whose_folder_is_gone_gets_a_second_machine_of_another_name(
    tmp_path: Path,
) -> None:
    settle(tmp_path / "xim", URL, BOTH)

    assert settle(tmp_path / "other", URL, BOTH) == ""

    assert len(set(Agent.objects.values_list("name", flat=True))) == 2


def test_revoked_machine_serves_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)
    lifecycle.retire_agent(agent=Agent.objects.get())

    said = settle(tmp_path / "xim", URL, BOTH)

    assert "was revoked in the console" in said
    assert offered() == set()
    assert Agent.objects.count() == 1


def test_suspended_machine_stays_so(tmp_path: Path) -> None:
    settle(tmp_path / "xim", URL, BOTH)
    lifecycle.suspend_agent(agent=Agent.objects.get())

    assert settle(tmp_path / "xim", URL, BOTH) == ""

    assert Agent.objects.get().state == AgentState.SUSPENDED
    assert offered() == set()


def test_damaged_key_is_one_sentence_and_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "xim").mkdir()
    (tmp_path / "xim" / "key").write_text("nonsense")

    said = settle(tmp_path / "xim", URL, BOTH)

    assert "is damaged" in said
    assert not Agent.objects.exists()


def test_enrolment_that_can_not_be_kept_leaves_no_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_said: object) -> None:
        raise Unusable("The disk is full.")

    monkeypatch.setattr(State, "keep_enrollment", full)

    assert settle(tmp_path / "xim", URL, BOTH) == "The disk is full."
    assert not Agent.objects.exists()
    assert not JoinKey.objects.exists()


def test_workers_of_an_earlier_version_end_and_nothing_is_served_twice(tmp_path: Path) -> None:
    for name, one in zip(own_machine.BY_URL, (CHAT, EMBED), strict=True):
        url = "http://127.0.0.1:4000/v1"
        add_worker(Enrolment(name, url, one.model, one.operations, "secret", tiers=["free"]))

    settle(tmp_path / "xim", URL, BOTH)
    settle(tmp_path / "xim", URL, BOTH)

    old = Worker.objects.filter(agent=None)
    assert {row.state for row in old} == {WorkerState.RETIRED}
    serving = Worker.objects.filter(is_offered=True, state=WorkerState.ACTIVE)
    assert sorted(row.model_name for row in serving) == sorted(BOTH)
