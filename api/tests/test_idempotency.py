"""A POST that arrives again with the same ``Idempotency-Key`` is answered, not done, twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from apikeys.models import ApiKey
from common import clock
from common.models import IdempotentAnswer
from common.rest import idempotency
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_user, seat, session_of


def issue(client: APIClient, home: str, key: str, **said: Any) -> Any:
    body = {"name": "ci", **said}
    return client.post(f"{home}/api-keys", body, format="json", headers={"idempotency-key": key})


def test_replay_shows_the_same_key_without_its_secret(manager: APIClient, home: str) -> None:
    first = issue(manager, home, "a")
    again = issue(manager, home, "a")

    assert first.json()["secret"]
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert again.json() == {**first.json(), "secret": None}
    assert again["ETag"] == first["ETag"]
    assert "Idempotency-Replayed" not in first
    assert ApiKey.objects.filter(name="ci").count() == 1


def test_stored_answer_holds_no_secret(manager: APIClient, home: str) -> None:
    secret = issue(manager, home, "a").json()["secret"]

    assert secret[-20:] not in str(IdempotentAnswer.objects.values_list().get())


def test_same_key_with_another_body_is_a_conflict(manager: APIClient, home: str) -> None:
    issue(manager, home, "a")

    answer = issue(manager, home, "a", name="other")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert not ApiKey.objects.filter(name="other").exists()


def test_order_of_fields_makes_no_other_body(manager: APIClient, home: str) -> None:
    issue(manager, home, "a", scopes=["inference"])
    swapped = {"scopes": ["inference"], "name": "ci"}

    answer = manager.post(
        f"{home}/api-keys", swapped, format="json", headers={"idempotency-key": "a"}
    )

    assert answer["Idempotency-Replayed"] == "true"


def test_refusal_is_not_kept_and_can_be_mended(
    manager: APIClient, home: str, acme: Project
) -> None:
    assert issue(manager, home, "a", endpoint="chat").status_code == 404
    make_endpoint(acme, "chat")

    assert issue(manager, home, "a", endpoint="chat").status_code == 201


def test_key_of_one_caller_means_nothing_to_another(
    manager: APIClient, home: str, acme: Project, as_ada: APIClient
) -> None:
    issue(manager, home, "a")

    answer = issue(as_ada, home, "a", name="hers")

    assert (answer.status_code, answer.json()["name"]) == (201, "hers")


def test_replay_is_for_those_who_may_still_ask(home: str, acme: Project) -> None:
    bob = make_user("bob")
    place = seat(acme, bob, Role.MEMBER)
    client = session_of(bob)
    assert issue(client, home, "a").status_code == 201
    place.delete()

    assert issue(client, home, "a").status_code == 404


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
def test_malformed_key_is_refused(manager: APIClient, home: str, key: str) -> None:
    answer = issue(manager, home, key)

    assert (answer.status_code, answer.json()["error"]["code"]) == (
        400,
        "idempotency_key_malformed",
    )
    assert not ApiKey.objects.filter(name="ci").exists()


def test_answer_is_forgotten_after_a_day(manager: APIClient, home: str) -> None:
    issue(manager, home, "a")
    kept = IdempotentAnswer.objects.all()

    kept.update(made_at=clock.now() - idempotency.KEPT + timedelta(minutes=1))
    assert idempotency.forget_old_answers() == 0
    kept.update(made_at=clock.now() - idempotency.KEPT)
    assert issue(manager, home, "a").json()["error"]["code"] == "key_name_taken"
    assert idempotency.forget_old_answers() == 1


@pytest.mark.django_db(transaction=True)
def test_second_request_while_the_first_runs_is_told_so(
    manager: APIClient, home: str, acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, leave, answers = threading.Event(), threading.Event(), []
    forward = idempotency._keep

    def slowly(*args: Any) -> None:
        inside.set()
        assert leave.wait(10)
        forward(*args)

    def first() -> None:
        answers.append(issue(manager, home, "a"))
        connection.close()

    monkeypatch.setattr(idempotency, "_keep", slowly)
    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    second = issue(manager, home, "a")
    leave.set()
    thread.join(10)

    assert (second.status_code, second.json()["error"]["code"]) == (
        409,
        "idempotency_request_in_flight",
    )
    assert answers[0].status_code == 201
    assert ApiKey.objects.filter(name="ci").count() == 1
    assert issue(manager, home, "a")["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_crash_before_the_commit_leaves_neither_change_nor_answer(
    manager: APIClient, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_keep", crash)
        with pytest.raises(KeyboardInterrupt):
            issue(manager, home, "a")

    assert not ApiKey.objects.filter(name="ci").exists()
    assert "Idempotency-Replayed" not in issue(manager, home, "a")
