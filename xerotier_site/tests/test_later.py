"""What can't be answered now says when it can: never an error page, never a bug's status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client, override_settings

from accounts.tests.people import make_person
from common.rest import throttle
from projects.models import Project
from tests.make import make_key


@pytest.fixture
def no_connection_left() -> Iterator[None]:
    """Hold every connection of the pool, and let those who want one wait a moment only."""
    connection.close()
    pool = connection.pool  # type: ignore[attr-defined] # why: its types know no pool
    patience, pool.timeout = pool.timeout, 0.1
    held = [pool.getconn() for _ in range(pool.max_size)]
    yield
    for one in held:
        pool.putconn(one)
    pool.timeout = patience


def asked(path: str, **said: Any) -> Any:
    return Client(raise_request_exception=False).get(path, **said)


@pytest.mark.django_db(transaction=True)
def test_exhausted_pool_is_a_page_that_says_to_come_back(no_connection_left: None) -> None:
    answer = asked("/models/")

    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)
    assert "Try again in a moment" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["endpoints", "tiers"])
def test_exhausted_pool_is_503_to_the_api_and_never_a_bug(
    path: str, acme: Project, request: pytest.FixtureRequest
) -> None:
    secret = make_key(acme, scopes=("management",)).secret
    request.getfixturevalue("no_connection_left")

    answer = asked(
        f"/{acme.public_id}/v1/management/{path}", headers={"authorization": f"Bearer {secret}"}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
    assert int(answer["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_exhausted_pool_while_a_session_is_read_is_no_bug_either(
    request: pytest.FixtureRequest,
) -> None:
    browser = Client(raise_request_exception=False)
    browser.force_login(make_person("ada"))
    request.getfixturevalue("no_connection_left")

    answer = browser.get("/dashboard/new/")

    assert answer.status_code == 503


@pytest.mark.django_db(transaction=True)
def test_server_of_production_says_the_same(request: pytest.FixtureRequest) -> None:
    browser = AsyncClient(raise_request_exception=False)
    ada = make_person("ada")
    sync_browser = Client()
    sync_browser.force_login(ada)
    browser.cookies = sync_browser.cookies
    request.getfixturevalue("no_connection_left")

    answer = async_to_sync(browser.get)("/dashboard/new/")

    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)


@pytest.mark.django_db
@override_settings(PAGES_PER_MIN=3)
def test_unknown_address_has_so_many_pages_and_others_are_not_held_up() -> None:
    throttle._client().delete("rate:page:address:192.0.2.90", "rate:page:address:192.0.2.91")

    answers = [asked("/models/", REMOTE_ADDR="192.0.2.90") for _ in range(4)]
    other = asked("/models/", REMOTE_ADDR="192.0.2.91")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3]["Retry-After"]) > 0
    assert "more than 3 pages" in answers[3].content.decode()
    assert other.status_code == 200


@pytest.mark.django_db
@override_settings(PAGES_PER_MIN=2)
def test_person_is_counted_wherever_they_come_from() -> None:
    browser = Client(raise_request_exception=False)
    browser.force_login(make_person("ada"))

    answers = [browser.get("/models/", REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(3)]

    assert answers == [200, 200, 429]


@pytest.mark.django_db
@override_settings(PAGES_PER_MIN=1)
def test_api_is_not_counted_as_pages(acme: Project) -> None:
    throttle._client().delete("rate:page:address:192.0.2.92")
    path = f"/{acme.public_id}/v1/management/tiers"

    answers = [asked(path, REMOTE_ADDR="192.0.2.92").status_code for _ in range(3)]

    assert answers == [401, 401, 401]
