"""Text is text: nothing anybody writes is read as SQL, as a template, as markup or as a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client, RequestFactory
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.people import make_person, register, sign_in
from agents.models import Agent, Backend
from api.tests.test_assignment import TAKING, body_of, offered_by
from api.tests.test_foreign_ids import NOBODYS, placeholders
from api.tests.test_openapi import INSTEAD, OURS, World, make_world
from apikeys.models import ApiKey
from dashboard.tests.cast import signed_in, used
from dashboard.tests.test_pages import READABLE
from projects import access, invitations, services
from projects.models import Project
from projects.rules import Role
from tests.lasting import lasting
from tests.make import (
    answering_backends,
    make_agent,
    make_backend,
    make_endpoint,
    make_key,
    make_project,
    make_user,
    seat,
    session_of,
)
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db
PAYLOADS = [
    "'",
    "'; SELECT 1/0; --",
    "\\' UNION SELECT password FROM accounts_user --",
    "%s %(x)s % {{ 7191|add:7 }}{% debug %}{% load x %} {0.__class__} ${7191*7}",
    "\"><script>alert(1)</script><img src=x onerror='alert(1)'>",
    "x\r\nSet-Cookie: a=b",
]
"""Each is several kinds at once where they don't get in each other's way."""
NASTY = "'\"><script>alert(1)</script>{{ 7191|add:7 }}{% debug %}%s"
RAW = ("<script>alert(1)", "7198", "<img src=x")
NEVER_SHOWN = {"credential"}
FACTS = "SELECT (SELECT count(*) FROM accounts_user), (SELECT count(*) FROM projects_project)"


def facts() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(FACTS)
        return cursor.fetchone()


def free_text_of(operation: dict[str, Any]) -> list[str]:
    """Name the fields of a body that take any text at all."""
    return [
        name
        for name, shape in offered_by(operation).items()
        if "string" in (shape.get("type") or ()) and "enum" not in shape
    ]


FIELDS = [
    pytest.param(one, name, id=f"{one[2]['operationId']}.{name}")
    for one in TAKING
    for name in free_text_of(one[2])
]
QUERIES = [
    pytest.param(one, parameter["name"], id=f"{one[2]['operationId']}.{parameter['name']}")
    for one in OURS
    for parameter in one[2].get("parameters", [])
    if parameter["in"] == "query"
]
PATHS = [one for one in OURS if placeholders(one[0])]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with lasting(django_db_blocker), answering_backends():
        yield make_world(1)


def caller_of(path: str, world: World) -> APIClient:
    """Return who may do this: the project's owner, or an operator by token."""
    if not path.startswith("/v1/operator/"):
        return session_of(world.owner, headers={"if-match": "*"})
    client = APIClient(headers={"if-match": "*"})
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {world.token}")
    return client


@pytest.mark.parametrize(("one", "name"), FIELDS)
def test_field_of_a_body_is_kept_as_it_is_or_refused(
    one: tuple[str, str, dict[str, Any]], name: str, world: World
) -> None:
    path, method, operation = one
    client = caller_of(path, world)
    known = operation["operationId"]
    body = INSTEAD[known](world) if known in INSTEAD else body_of(operation)
    before = facts()

    for number, payload in enumerate(PAYLOADS):
        if known in {"operator_add_model", "issue_join_key", "add_backend"}:
            body["name"] = f"one-{number}"  # Kept, the one before has the name.
        said = {**body, name: payload}
        answer = getattr(client, method)(path.format(**world.ids), said, format="json")

        if answer.status_code < 300 and name in NEVER_SHOWN:
            assert name not in answer.json()
        elif answer.status_code < 300:
            assert answer.json()[name] == payload
        else:
            assert answer.status_code in {400, 404}, payload
        assert "set-cookie" not in {header.lower() for header in answer.headers}
    assert facts() == before


def test_there_are_fields_that_keep_whatever_they_are_given() -> None:
    """Guard the test above: names of keys and of projects take any text."""
    assert {"issue_api_key.name", "change_api_key.name", "change_project.name"} <= {
        field.id for field in FIELDS
    }


@pytest.mark.parametrize(("one", "name"), QUERIES)
def test_parameter_of_a_query_finds_nothing_more(
    one: tuple[str, str, dict[str, Any]], name: str, world: World
) -> None:
    path, method, _ = one
    client = caller_of(path, world)
    before = facts()

    for payload in PAYLOADS:
        url = f"{path.format(**world.ids)}?{name}={quote(payload)}"
        answer = client.generic(method.upper(), url)

        body = b"".join(answer) if answer.streaming else answer.content
        assert answer.status_code in {200, 400, 404}, payload
        assert b"argon2" not in body
    assert facts() == before


@pytest.mark.parametrize("one", PATHS, ids=lambda one: one[2]["operationId"])
def test_part_of_a_path_is_an_id_or_nothing(
    one: tuple[str, str, dict[str, Any]], world: World
) -> None:
    path, method, operation = one
    client = caller_of(path, world)
    before = facts()

    for payload in PAYLOADS:
        ids = {
            **dict.fromkeys(NOBODYS, quote(payload, safe="")),
            "project_id": world.project.public_id,
        }
        answer = getattr(client, method)(path.format(**ids), body_of(operation), format="json")
        assert answer.status_code in {400, 404}, payload
    assert facts() == before


@pytest.fixture
def nasty(ada: User) -> Project:
    """A project in which whatever people, keys and callers may write is written with malice."""
    project = make_project("acme", owner=ada)
    endpoint = make_endpoint(project, "chat")
    key = make_key(project, name=NASTY).key
    make_agent(project, facts=dict.fromkeys(("hostname", "os", "cpu", "version"), NASTY))
    backend = make_backend(project, NASTY)
    Backend.objects.filter(pk=backend.pk).update(
        found=[{"name": NASTY, "context_length": None, "engine": ""}], operations=[NASTY[:40]]
    )
    services.rename_project(project=project, name=NASTY, by=access.person_actor(ada, asked()))
    used(project, endpoint=endpoint.slug, key_id=key.public_id, caller_request_id=NASTY)
    odd = make_user("bob")
    User.objects.filter(pk=odd.pk).update(
        email="{{7191|add:7}}'<img src=x>@example.com", name=NASTY
    )
    seat(project, odd, Role.MEMBER)
    own = access.seat(ada, project.public_id)
    invitations.invite(seat=own, email="{{7191|add:7}}<img src=x>@example.com", role=Role.MEMBER)
    return project


def asked() -> Any:
    request = RequestFactory().get("/", headers={"user-agent": NASTY})
    request.session = Session()  # type: ignore[assignment] # why: only its absence would matter
    return request


@pytest.mark.parametrize("path", [*READABLE, "settings/audit/"])
def test_page_shows_what_was_written_and_runs_none_of_it(
    path: str, nasty: Project, ada: User
) -> None:
    names = {
        "key": ApiKey.objects.get(project=nasty).public_id,
        "request": UsageRecord.objects.get(project=nasty).request_id,
        "machine": Agent.objects.get(project=nasty).public_id,
        "backend": Backend.objects.get(project=nasty).public_id,
    }
    answer = signed_in(ada).get(f"/dashboard/{nasty.public_id}/{path.format(**names)}")

    page = answer.content.decode()
    assert answer.status_code == 200
    assert [raw for raw in RAW if raw in page] == []


@pytest.mark.parametrize(
    "path",
    [
        "projects/project",
        "apikeys/apikey",
        "accounts/user",
        "usage/usagerecord",
        "audit/auditentry",
    ],
)
def test_console_shows_what_was_written_and_runs_none_of_it(path: str, nasty: Project) -> None:
    operator = User.objects.create_superuser("op@example.com", "x")
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={})

    answer = signed_in(operator).get(f"/admin/{path}/")

    assert answer.status_code == 200
    assert [raw for raw in RAW if raw in answer.content.decode()] == []


def test_page_of_devices_shows_the_browsers_word_as_text(client: Client, db: None) -> None:
    ada = make_person("ada")
    User.objects.update(name=NASTY)
    client.defaults["HTTP_USER_AGENT"] = NASTY
    sign_in(client, ada.email)

    for path in ("/auth/sessions/", "/auth/email/", "/auth/2fa/", "/auth/3rdparty/"):
        page = client.get(path).content.decode()
        assert [raw for raw in RAW if raw in page] == [], path


@pytest.mark.parametrize(
    "email", ["o'hara@example.com", "{{7191}}@example.com", "a%s@example.com", "a|b@x.test"]
)
def test_address_is_text_in_letters_and_becomes_a_slug(db: None, email: str) -> None:
    register(Client(), email)

    person = User.objects.get(email=email)
    letter = mail.outbox[-1]
    assert letter.to == [email]
    assert "7191" not in letter.body.replace(email, "")
    offered = services.free_slug(person.email.partition("@")[0])
    assert re.fullmatch(r"[a-z][a-z0-9-]+", offered)


@pytest.mark.parametrize("field", ["email", "password1", "login", "password", "code", "next"])
def test_form_about_oneself_takes_text_for_text(
    client: Client, db: None, settings: Settings, field: str
) -> None:
    settings.ACCOUNT_RATE_LIMITS = False

    for page in ("/auth/register", "/auth/login", "/auth/password/reset/"):
        for payload in (*PAYLOADS, "\0"):
            said = {"email": "a@example.com", "login": "a@example.com", "password": "x"}
            answer = client.post(page, {**said, field: payload})

            assert answer.status_code in {200, 302, 400}, (page, payload)
            assert [raw for raw in RAW if raw in answer.content.decode()] == []
