"""Nobody overwrites a change they have not seen."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from common.problems import Stale
from endpoints import services
from endpoints.models import Endpoint
from projects.models import Project
from tests.make import make_endpoint, make_tier


@pytest.fixture
def chat(acme: Project) -> Endpoint:
    return make_endpoint(acme, "chat")


def change(client: APIClient, url: str, match: str | None, **said: Any) -> Any:
    headers = {} if match is None else {"if-match": match}
    return client.patch(url, said, format="json", headers=headers)


def test_update_from_the_present_state_passes_and_tells_the_next(
    manager: APIClient, home: str, chat: Endpoint
) -> None:
    url = f"{home}/endpoints/chat"
    read = manager.get(url)

    changed = change(manager, url, read["ETag"], state="paused")

    assert (changed.status_code, changed.json()["state"]) == (200, "paused")
    assert changed["ETag"] == manager.get(url)["ETag"] != read["ETag"]


@pytest.mark.parametrize(
    ("match", "status", "code"),
    [
        pytest.param(None, 428, "precondition_required", id="no If-Match"),
        pytest.param('"v0"', 412, "precondition_failed", id="an older state"),
        pytest.param('W/"v1"', 412, "precondition_failed", id="a weak tag never matches"),
        pytest.param("nonsense", 412, "precondition_failed", id="nonsense"),
    ],
)
def test_other_updates_are_refused_and_change_nothing(
    manager: APIClient, home: str, chat: Endpoint, match: str | None, status: int, code: str
) -> None:
    answer = change(manager, f"{home}/endpoints/chat", match, state="paused")

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    chat.refresh_from_db()
    assert (chat.state, chat.version) == ("active", 1)


@pytest.mark.parametrize("match", ["*", '"v7", "v1"'])
def test_any_state_or_one_of_a_list_passes(
    manager: APIClient, home: str, chat: Endpoint, match: str
) -> None:
    assert change(manager, f"{home}/endpoints/chat", match, state="paused").status_code == 200


def test_change_between_reading_and_writing_is_noticed(
    manager: APIClient, home: str, chat: Endpoint
) -> None:
    seen = Endpoint.objects.get(pk=chat.pk)
    services.pause_endpoint(endpoint=chat)

    with pytest.raises(Stale):
        services.change_endpoint(endpoint=seen, tier=make_tier("free"))

    chat.refresh_from_db()
    assert (chat.tier.slug, chat.version) == ("gpu_nvidia_shared", 2)


def test_all_of_an_update_happens_or_nothing(manager: APIClient, home: str, chat: Endpoint) -> None:
    answer = change(manager, f"{home}/endpoints/chat", "*", state="paused", tier="no-such")

    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "tier")
    chat.refresh_from_db()
    assert chat.state == "active"


def test_empty_update_changes_nothing(manager: APIClient, home: str, chat: Endpoint) -> None:
    answer = change(manager, f"{home}/endpoints/chat", "*")

    assert (answer.status_code, answer["ETag"]) == (200, '"v1"')


def test_retiring_asks_for_the_slug(manager: APIClient, home: str, chat: Endpoint) -> None:
    url = f"{home}/endpoints/chat"

    unsaid = manager.delete(url)
    wrong = manager.delete(f"{url}?slug=other")
    stale = manager.delete(f"{url}?slug=chat", headers={"if-match": '"v0"'})
    right = manager.delete(f"{url}?slug=chat")

    codes = [answer.json()["error"]["code"] for answer in (unsaid, wrong, stale)]
    assert codes == ["invalid_request", "slug_not_confirmed", "precondition_failed"]
    assert right.status_code == 204
    assert manager.get(url).status_code == 404


def test_endpoint_answers_to_its_id_as_to_its_slug(
    manager: APIClient, home: str, chat: Endpoint
) -> None:
    by_id = manager.get(f"{home}/endpoints/{chat.public_id}")

    assert by_id.json() == manager.get(f"{home}/endpoints/chat").json()
