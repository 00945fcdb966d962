"""Looking changes nothing: no GET of any page or resource writes a row of the platform."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.tests.people import make_person
from api.tests.test_openapi import World, make_world
from dashboard.tests.cast import signed_in, used
from projects.models import Membership, Project
from tests.architecture.access_table import API, DOORS, LEAD_BACK, OPEN, PAGE, SELF
from tests.lasting import lasting

pytestmark = pytest.mark.django_db
WRITES = re.compile(
    r"^\s*(?:WITH\b.*)?\b(INSERT INTO|UPDATE|DELETE FROM|MERGE INTO)\s+\"?(\w+)", re.S
)
ITS_OWN = {"django_session", "usersessions_usersession"}
"""Tables that remember that somebody came by."""
READABLE = sorted(route for route, doors in DOORS.items() if "GET" in doors)
REST = sorted({*OPEN, *SELF})


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with lasting(django_db_blocker):
        made = make_world(1)
        made.ids["request_id"] = used(made.project).request_id
        EmailAddress.objects.create(
            user=made.owner, email=made.owner.email, verified=True, primary=True
        )
        yield made


def written(client: Client, url: str) -> tuple[int, set[str]]:
    """Return the status of a GET, and the tables that it wrote to."""
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(url)
        if answer.streaming:
            b"".join(answer)
    found = (WRITES.match(query["sql"]) for query in asked.captured_queries)
    return answer.status_code, {match[2] for match in found if match} - ITS_OWN


def address(route: str, world: World) -> str:
    path = re.sub("<(?:str|path):name>", "smollm2-135m-instruct", route)
    path = path.replace("<str:token>", "none")
    for name, value in world.ids.items():
        path = path.replace(f"<str:{name}>", value)
    path = path.replace("<int:session_id>", "1").replace("<int:pk>", "1")
    return "/" + path.replace("^(?P<provider_id>[^/]+)", "none")


def answered_with(route: str) -> int:
    if route.removeprefix(PAGE) in LEAD_BACK:
        return 302
    return 422 if "check-slug" in route else 200


@pytest.mark.parametrize("route", READABLE)
def test_looking_at_a_project_writes_nothing(route: str, world: World) -> None:
    status, tables = written(signed_in(world.owner), address(route, world))

    assert tables == set()
    # A wrong question reads nothing, so it would prove nothing.
    assert status == answered_with(route), route


@pytest.mark.parametrize("route", REST)
def test_looking_at_what_is_of_no_project_writes_nothing(route: str, world: World) -> None:
    for client in (signed_in(world.owner), signed_in(make_person()), Client()):
        status, tables = written(client, address(route, world))

        assert tables == set()
        assert status < 500


def test_newcomer_without_a_seat_is_led_to_a_form_and_nothing_is_opened(db: None) -> None:
    person, there_were = make_person(), Project.objects.count()
    client = signed_in(person)

    answer = client.get("/dashboard/", follow=True)

    assert answer.redirect_chain == [("/dashboard/new/", 302)]
    assert 'method="post"' in answer.content.decode()
    assert Project.objects.count() == there_were
    client.post("/dashboard/new/", {"name": "Mine", "slug": "mine"})
    assert Membership.objects.get(user=person).project.slug == "mine"


def test_writing_is_noticed(world: World) -> None:
    """Guard the tests above: what writes is seen to."""
    url = f"/{API}project/leave".replace("<str:project_id>", world.project.public_id)
    client = signed_in(world.member)

    with CaptureQueriesContext(connection) as asked:
        client.post(url)

    found = {match[2] for query in asked.captured_queries if (match := WRITES.match(query["sql"]))}
    assert {"projects_membership", "audit_auditentry"} <= found
