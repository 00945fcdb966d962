"""The decisions API: a decision is opened by the id its answer had, by its own project alone."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from agents.selectors import own_names
from inference.contracts.policies import ONE
from inference.contracts.records import MISSED, Came
from projects.models import Project
from routing.explained import decision_id_of
from routing.models import KeptDecision
from tests.decisions import candidate, make_decision, tell
from tests.make import make_agent, make_key, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(acme: Project) -> APIClient:
    bearer = make_key(acme, scopes=("management",)).secret
    return APIClient(headers={"authorization": f"Bearer {bearer}"})


def path_of(project: Project, request_id: str) -> str:
    return f"/{project.public_id}/v1/management/decisions/{decision_id_of(request_id)}"


def test_decision_says_what_was_weighed_and_what_came(caller: APIClient, acme: Project) -> None:
    own = make_worker("rack-1", project=acme)
    shared = make_worker("secret-name")
    among = [candidate(0), candidate(1, 16, backlog=20_000, extras_us=500_000)]
    record = make_decision(
        acme,
        among,
        (own.public_id, shared.public_id),
        ttft_us=100_000,
        weight=ONE,
        came=Came(ttft_us=160_000, ending="complete", target=MISSED),
    )
    tell(record)

    answer = caller.get(path_of(acme, record.request_id))

    body = answer.json()
    assert answer.status_code == 200
    assert body["id"] == decision_id_of(record.request_id)
    [attempt] = body["attempts"]
    first, second = attempt["candidates"]
    assert (first["name"], first["own"], first["chosen"]) == ("rack-1", True, True)
    assert (second["name"], second["own"], second["chosen"]) == ("machine A", False, False)
    assert first["cost_ms"] == sum(term["ms"] for term in first["terms"]) == 150
    assert attempt["policy"] == {"name": "balanced", "version": 1, "current_formula": True}
    assert (attempt["kept_because"], attempt["target_ttft_ms"]) == ("missed", 100)
    assert attempt["outcome"]["target"] == "missed"
    assert attempt["outcome"]["tokens_cached"] is None
    assert attempt["without_target"] == "rack-1"
    assert "secret-name" not in answer.content.decode()
    assert shared.public_id not in answer.content.decode()


def test_every_attempt_is_told_in_its_order(caller: APIClient, acme: Project) -> None:
    record = make_decision(acme)
    again = make_decision(acme, attempt=1, request_id=record.request_id)
    tell(again)
    tell(record)

    attempts = caller.get(path_of(acme, record.request_id)).json()["attempts"]

    assert [one["number"] for one in attempts] == [0, 1]


def test_decision_of_another_project_is_no_other_than_none(
    caller: APIClient, acme: Project, rival: Project
) -> None:
    theirs = make_decision(rival)
    tell(theirs)

    refused = caller.get(path_of(acme, theirs.request_id))
    missing = caller.get(path_of(acme, "req_none"))

    assert refused.status_code == missing.status_code == 404
    assert refused.json()["error"]["code"] == "decision_not_found"
    assert refused.json()["error"]["message"] == missing.json()["error"]["message"]


def test_machine_of_another_project_has_no_name_here(
    caller: APIClient, acme: Project, rival: Project
) -> None:
    theirs = make_worker("rival-rack", project=rival)
    record = make_decision(acme, workers=(theirs.public_id, "wrk_gone"))
    tell(record)

    text = caller.get(path_of(acme, record.request_id)).content.decode()

    assert "rival-rack" not in text
    assert "machine B" in text


def test_record_that_nobody_can_read_any_more_is_as_none(caller: APIClient, acme: Project) -> None:
    record = make_decision(acme)
    tell(record)
    KeptDecision.objects.update(body={"record": {"of": "another version"}})

    assert caller.get(path_of(acme, record.request_id)).status_code == 404


def test_own_machine_that_dialled_in_goes_by_its_own_name(acme: Project) -> None:
    worker = make_worker("x", project=acme)
    agent = make_agent(acme, name="tower")
    type(worker).objects.filter(pk=worker.pk).update(agent=agent, url="")

    assert own_names(project=acme, worker_ids=[worker.public_id]) == {worker.public_id: "tower"}
