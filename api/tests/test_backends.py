"""A project's own servers by URL, over the management API."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from rest_framework.test import APIClient

from agents.asking import Found
from agents.models import Backend, Worker
from agents.sightings import Health
from common import clock
from projects.models import Project
from tests.make import FOUND, make_backend, make_worker

pytestmark = pytest.mark.django_db
CHAT = "smollm2-135m-instruct"
SAID = {"name": "cloud", "url": FOUND.url, "credential": "s3cret-of-theirs", "models": {CHAT: CHAT}}


@pytest.fixture
def backend(acme: Project) -> Backend:
    return make_backend(acme, "cloud", credential="s3cret-of-theirs")


@pytest.fixture
def at(home: str, backend: Backend) -> str:
    return f"{home}/backends/{backend.public_id}"


def test_server_is_asked_what_it_serves_and_nothing_is_kept(
    manager: APIClient, home: str, backend: Backend
) -> None:
    before = Backend.objects.count()

    answer = manager.post(f"{home}/backends/ask", {"url": FOUND.url}, format="json")

    assert answer.json() == {
        "object": "backend.answer",
        "url": FOUND.url,
        "operations": ["chat/completions"],
        "models": [
            {"name": CHAT, "context_length": 2048, "model": CHAT},
            {"name": "of-nobody", "context_length": None, "model": None},
        ],
    }
    assert Backend.objects.count() == before


def test_backend_is_added_and_shown_without_its_credential(
    manager: APIClient, home: str, acme: Project
) -> None:
    make_backend(acme)  # The catalog has its model.

    answer = manager.post(f"{home}/backends", SAID, format="json")

    body = answer.json()
    assert answer.status_code == 201
    assert (body["name"], body["url"], body["state"]) == ("cloud", FOUND.url, "active")
    assert body["has_credential"] is True
    assert [(one["name"], one["model"], one["is_served"]) for one in body["models"]] == [
        (CHAT, CHAT, True)
    ]
    assert [one["model"] for one in body["found"]] == [CHAT, None]
    row = Backend.objects.get(name="cloud")
    for path in ("", f"/{row.public_id}"):
        shown = manager.get(f"{home}/backends{path}").content.decode()
        assert "cloud" in shown
        assert "s3cret-of-theirs" not in shown
        assert row.credential not in shown


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"url": "https://models.example:25/v1"}, "url", "worker_url_malformed"),
        ({"url": "https://me:pw@models.example"}, "url", "worker_url_malformed"),
        ({"url": "https://bücher.example/v1"}, "url", "worker_url_malformed"),
        ({"models": {}}, "models", "backend_models_malformed"),
        ({"models": {"gpt": CHAT}}, "models", "backend_models_malformed"),
        ({"models": {CHAT: "gpt"}}, "models", "model_not_found"),
        ({"models": {f"m{n}": CHAT for n in range(33)}}, "models", "invalid_request"),
        ({"slots": 0}, "slots", "invalid_request"),
        ({"credential": "a\r\nb"}, "credential", "invalid_request"),
        ({"credential": "schlüssel"}, "credential", "invalid_request"),
        ({"project": "proj_x"}, "project", "invalid_request"),
    ],
)
def test_backend_that_can_not_be_so_is_refused_by_its_field(
    manager: APIClient, home: str, backend: Backend, changes: dict[str, Any], param: str, code: str
) -> None:
    answer = manager.post(f"{home}/backends", {**SAID, "name": "b", **changes}, format="json")

    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "model_not_found" else 400)
    assert error["param"] == param
    assert error["code"] == code
    assert Backend.objects.count() == 1


@pytest.mark.parametrize("path", ["", "/ask"])
def test_server_that_does_not_answer_is_a_sentence_about_its_url(
    manager: APIClient, home: str, backend: Backend, path: str
) -> None:
    said = SAID if not path else {"url": FOUND.url}
    fault = "Nothing answers at https://models.example/v1: no whole answer within 5 s."

    with patch("agents.asking.ask", return_value=Found(FOUND.url, fault=fault)):
        answer = manager.post(f"{home}/backends{path}", {**said}, format="json")

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        "backend_unreachable",
        "url",
    )
    assert error["message"] == fault


def test_names_of_backends_are_taken_and_their_number_has_an_end(
    manager: APIClient, home: str, backend: Backend, settings: Any
) -> None:
    again = manager.post(f"{home}/backends", SAID, format="json")
    settings.BACKENDS_PER_PROJECT = 1
    more = manager.post(f"{home}/backends", {**SAID, "name": "more"}, format="json")

    assert (again.status_code, again.json()["error"]["code"]) == (409, "backend_name_taken")
    assert (more.status_code, more.json()["error"]["code"]) == (403, "backend_limit_reached")


def test_list_holds_the_projects_own_and_nothing_of_the_operators(
    manager: APIClient, home: str, backend: Backend, acme: Project, rival: Project
) -> None:
    shared, own = make_worker(url="http://10.9.9.9/v1"), make_worker(project=acme)
    make_backend(rival, "theirs")

    body = manager.get(f"{home}/backends").json()

    assert [one["name"] for one in body["data"]] == ["cloud"]
    for hidden in (shared, own):
        assert hidden.public_id not in json.dumps(body)
        found = manager.get(f"{home}/backends/{hidden.public_id}")
        assert found.status_code == 404
    assert "10.9.9.9" not in json.dumps(body)


def test_health_is_what_gateways_see_of_what_it_serves(
    manager: APIClient, at: str, backend: Backend
) -> None:
    worker = Worker.objects.get(backend=backend)
    seen = Health(is_seen=True, is_out=True, answered_at=clock.now(), running=2, heard="401")

    with patch("agents.backends_api.worker_health", return_value={worker.public_id: seen}) as asked:
        health = manager.get(at).json()["health"]

    asked.assert_called_once_with([worker.public_id])
    assert health["answered_at"] is not None
    assert {name: health[name] for name in ("is_seen", "is_out", "running", "heard")} == {
        "is_seen": True,
        "is_out": True,
        "running": 2,
        "heard": "401",
    }


def test_change_needs_the_state_it_was_made_from(manager: APIClient, at: str) -> None:
    shown = manager.get(at)

    unsaid = manager.patch(at, {"name": "other"}, format="json")
    changed = manager.patch(
        at, {"name": "other", "slots": 3}, format="json", headers={"if-match": shown["ETag"]}
    )
    late = manager.patch(at, {"name": "third"}, format="json", headers={"if-match": shown["ETag"]})

    assert (unsaid.status_code, changed.status_code, late.status_code) == (428, 200, 412)
    assert (changed.json()["name"], changed.json()["slots"]) == ("other", 3)
    assert changed["ETag"] != shown["ETag"]


def test_backend_is_paused_and_resumed(manager: APIClient, at: str) -> None:
    def told(state: str) -> tuple[str, bool]:
        body = manager.patch(at, {"state": state}, format="json", headers={"if-match": "*"}).json()
        return body["state"], body["models"][0]["is_served"]

    assert told("paused") == ("paused", False)
    assert told("paused") == ("paused", False)
    assert told("active") == ("active", True)


def test_url_is_for_life(manager: APIClient, at: str) -> None:
    answer = manager.patch(
        at, {"url": "https://evil.example/v1"}, format="json", headers={"if-match": "*"}
    )

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "url")
    assert Backend.objects.get().url == FOUND.url


def test_credential_is_rotated_once_for_one_idempotency_key(manager: APIClient, at: str) -> None:
    headers = {"idempotency-key": "once"}
    said = {"credential": "another-one"}

    first = manager.post(f"{at}/rotate", said, format="json", headers=headers)
    second = manager.post(f"{at}/rotate", said, format="json", headers=headers)

    assert (first.status_code, second["Idempotency-Replayed"]) == (200, "true")
    assert "another-one" not in first.content.decode() + second.content.decode()
    assert Backend.objects.get().version == 2


def test_backend_is_asked_again(manager: APIClient, at: str) -> None:
    asked_at = Backend.objects.get().asked_at

    answer = manager.post(f"{at}/ask")

    assert answer.status_code == 200
    assert Backend.objects.get().asked_at > asked_at


def test_removed_backend_is_gone(manager: APIClient, home: str, at: str) -> None:
    assert manager.delete(at).status_code == 204

    for answer in (manager.get(at), manager.delete(at), manager.post(f"{at}/ask")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "backend_not_found")
    assert manager.get(f"{home}/backends").json()["data"] == []
