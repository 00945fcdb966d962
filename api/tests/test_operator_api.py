"""Operators change tiers and models by API as they do in the console, by tokens of their own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import make_token
from agents.models import Agent
from audit.models import AuditEntry
from catalog import selectors, services
from catalog.models import CatalogModel
from common import clock
from common.models import OutboxEntry
from projects.models import Project
from tests.make import make_agent, make_endpoint, make_model, make_tier, make_worker

pytestmark = pytest.mark.django_db

MODELS, TERMS = "/v1/operator/models", "/v1/operator/tiers/free/terms"
NEW = {"name": "Qwen/Qwen2.5-7B", "task": "generate", "context_length": 32_768}


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss@example.com", "x")


@pytest.fixture
def ops(boss: User) -> APIClient:
    _, plain = make_token(user=boss, name="ci", lasts=timedelta(days=1))
    return APIClient(headers={"authorization": f"Bearer {plain}"})


def send(client: APIClient, method: str, url: str, said: Any = None, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return getattr(client, method)(url, said or {}, format="json", headers=named)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_model_is_added_once_however_often_it_is_sent_and_by_whom_is_on_record(
    ops: APIClient, boss: User
) -> None:
    first = send(ops, "post", MODELS, NEW, idempotency_key="a")
    again = send(ops, "post", MODELS, NEW, idempotency_key="a")

    assert (first.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert (first.json()["title"], first.json()["machines"]) == (NEW["name"], 0)
    assert CatalogModel.objects.count() == 1
    entry = AuditEntry.objects.get(action="model.added")
    assert entry.actor_id == str(boss.pk)
    assert entry.actor_name.startswith("boss@example.com (opt_")


def test_model_is_changed_from_the_state_that_was_read_and_gateways_are_told(
    ops: APIClient,
) -> None:
    url = f"{MODELS}/{make_model().public_id}"
    read = ops.get(url)
    OutboxEntry.objects.all().delete()

    blind = send(ops, "patch", url, {"context_length": 4096})
    changed = send(ops, "patch", url, {"context_length": 4096}, if_match=read["ETag"])
    late = send(ops, "patch", url, {"context_length": 1}, if_match=read["ETag"])

    assert code_of(blind) == (428, "precondition_required")
    assert (changed.status_code, changed.json()["context_length"]) == (200, 4096)
    assert changed.json()["title"] == read.json()["title"]
    assert code_of(late) == (412, "precondition_failed")
    assert [note.topic for note in OutboxEntry.objects.all()] == ["model"]


def test_withdrawn_model_stays_for_those_who_have_it_and_can_be_listed_again(
    ops: APIClient, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    name = make_model().name

    assert send(ops, "delete", f"{MODELS}/{name}").status_code == 204

    assert selectors.listed_model(name) is None
    shown = ops.get(f"{MODELS}/{name}").json()
    assert (shown["is_listed"], shown["endpoints"]) == (False, 1)
    again = send(ops, "patch", f"{MODELS}/{name}", {"is_listed": True}, if_match="*")
    assert again.json()["is_listed"]


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"name": "two words"}, "name"),
        ({"task": "draw"}, "task"),
        ({"context_length": 0}, "context_length"),
        ({"tags": ["a,b"]}, "tags"),
        ({"defaults": {"a": "\u0000"}}, "defaults"),
        ({"defaults": {"a": "x" * 5000}}, "defaults"),
        ({"summary": "\ud800"}, "summary"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_said_of_a_model_is_refused_by_name(
    ops: APIClient, said: dict[str, Any], param: str
) -> None:
    # As text, because the test client can't write half a surrogate pair.
    text = json.dumps({**NEW, **said})
    answer = ops.post(MODELS, text, content_type="application/json")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not CatalogModel.objects.exists()


def test_name_that_is_taken_in_other_capitals_is_a_conflict(ops: APIClient) -> None:
    name = make_model().name.upper()

    assert code_of(send(ops, "post", MODELS, {**NEW, "name": name})) == (409, "model_name_taken")


def test_dry_run_says_what_would_change_for_whom_and_keeps_no_answer(
    ops: APIClient, acme: Project
) -> None:
    make_endpoint(acme, "chat", tier="free")
    said = {"requests_per_min": None, "tokens_per_min": 10_000}

    preview = send(ops, "post", f"{TERMS}?dry_run=true", said, idempotency_key="a")

    assert preview.status_code == 200
    assert preview.json() == {
        "object": "terms.preview",
        "effective_from": None,
        "changes": [{"name": "requests_per_min", "before": 64, "after": None}],
        "endpoints": 1,
        "projects": 1,
    }
    assert make_tier("free").terms.count() == 1
    assert send(ops, "post", TERMS, said, idempotency_key="a").status_code == 201


def test_new_terms_start_from_those_in_force_and_can_be_taken_back_until_they_begin(
    ops: APIClient,
) -> None:
    before = selectors.terms_at(make_tier("free"), clock.now())
    later = (clock.now() + timedelta(days=1)).isoformat()

    made = send(ops, "post", TERMS, {"concurrent": 9, "effective_from": later}).json()

    assert (made["id"], made["concurrent"], made["has_begun"]) == ("2", 9, False)
    assert made["tokens_per_min"] == before.tokens_per_min
    listed = ops.get(f"{TERMS}?limit=1").json()
    assert ([one["id"] for one in listed["data"]], listed["has_more"]) == (["2"], True)
    assert [one["id"] for one in ops.get(f"{TERMS}?after=2").json()["data"]] == ["1"]
    assert send(ops, "delete", f"{TERMS}/2").status_code == 204
    assert code_of(send(ops, "delete", f"{TERMS}/1")) == (409, "terms_begun")
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"tier.terms_set", "tier.terms_withdrawn"} <= actions


def test_terms_that_can_not_be_are_refused(ops: APIClient) -> None:
    tier = make_tier("free")
    moment = clock.now() + timedelta(days=1)
    services.supersede_terms(tier=tier, changes={"concurrent": 9}, effective_from=moment)
    same = {"concurrent": 8, "effective_from": moment.isoformat()}

    assert code_of(send(ops, "post", TERMS, same)) == (409, "terms_moment_taken")
    assert code_of(send(ops, "post", TERMS, {})) == (400, "terms_unchanged")
    assert code_of(send(ops, "post", f"{TERMS}?dry_run=true", {})) == (400, "terms_unchanged")
    early = {"concurrent": 8, "effective_from": "2020-01-01T00:00:00Z"}
    assert code_of(send(ops, "post", TERMS, early)) == (400, "terms_in_the_past")
    assert code_of(send(ops, "post", TERMS, {"concurrent": None})) == (400, "invalid_request")
    assert code_of(ops.get(f"{TERMS}?after=none")) == (400, "cursor_unknown")
    assert code_of(send(ops, "delete", f"{TERMS}/7")) == (404, "terms_not_found")


def test_tier_says_what_carries_it_and_who_has_it(ops: APIClient, acme: Project) -> None:
    make_endpoint(acme, "chat", tier="free")
    make_worker(tiers=("free",))

    shown = ops.get("/v1/operator/tiers/free").json()

    assert (shown["machines"], shown["endpoints"]) == (1, 1)
    assert shown["terms"]["requests_per_min"] == 64
    assert [one["id"] for one in ops.get("/v1/operator/tiers").json()["data"]][-1:] != []


def test_models_that_machines_have_and_the_catalog_lacks_are_listed_until_they_are_added(
    ops: APIClient,
) -> None:
    agent = make_agent(name="gpu-1")
    said = {"name": NEW["name"], "task": "generate", "context": 4096, "operations": ["completions"]}
    Agent.objects.filter(pk=agent.pk).update(reported={"models": [said]})

    [card] = ops.get("/v1/operator/model-cards").json()["data"]

    assert (card["name"], card["context_length"], card["size_bytes"]) == (NEW["name"], 4096, None)
    assert card["machines"] == [{"id": agent.public_id, "name": "gpu-1", "project": ""}]
    assert send(ops, "post", MODELS, NEW).status_code == 201
    assert ops.get("/v1/operator/model-cards").json() == {"object": "list", "data": []}
