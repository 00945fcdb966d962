"""The access matrix: every address of the control plane, asked by everyone there is.

Callers work as in production, under the database's role for people. Whoever adds a
route says in ``access_table`` who may use it, or this fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from common import tenancy
from projects.models import Project
from projects.rules import Role, is_at_least
from tests.architecture.access_table import API, DOORS, OPEN, PAGE, USAGE, Door
from tests.make import make_key, make_user, seat

SCOPES = ("inference", "management", "execution", "research")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
LOGIN = ("/auth/login", "/admin/login/")
PLACEHOLDERS = {
    "<str:slug>": "none",
    "<str:key_id>": "key_none",
    "<str:member_id>": "mem_none",
    "<str:invitation_id>": "inv_none",
    "<str:name>": "none",
    "<str:token>": "none",
    "<path:object_id>": "999999",
    "<path:content_type_id>": "999999",
    "<int:user_id>": "999999",
    "<int:pk>": "999999",
}


@dataclass(frozen=True)
class Caller:
    """Somebody at the door: by session or by key, and the role they act in, if any."""

    name: str
    client: Client
    role: str = ""
    scope: str = ""
    is_person: bool = False

    def ask(self, method: str, path: str) -> Any:
        """Send one request and take back whatever it changed."""
        with transaction.atomic():
            answer = self.client.generic(method, path, "{}", "application/json")
            transaction.set_rollback(True)
        return answer


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for found in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from routes(found.url_patterns, path)
        elif isinstance(found, URLPattern):
            yield path, found.callback


ROUTES = dict(routes())
CONSOLE = sorted(route for route in ROUTES if route.startswith("admin/") and "(?P" not in route)
SELF = sorted(route for route in ROUTES if route.startswith("auth/"))


def address(route: str, project: Project) -> str:
    path = "/" + route.replace("<str:project_id>", project.public_id)
    for name, value in PLACEHOLDERS.items():
        path = path.replace(name, value)
    return path.replace("^(?P<provider_id>[^/]+)", "none")


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def with_key(project: Project, scope: str) -> Client:
    secret = make_key(project, scopes=(scope,)).secret
    return Client(raise_request_exception=False, headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
def callers(ada: User, acme: Project, rex: User, rival: Project) -> list[Caller]:
    people = {"owner": ada, "stranger": rex}
    for role in (Role.ADMIN, Role.MEMBER, Role.VIEWER):
        people[role.value] = make_user(role.value)
        seat(acme, people[role.value], role)
    operator = User.objects.create_superuser("operator@example.com", "x")
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={})
    return [
        Caller("nobody", Client(raise_request_exception=False)),
        *(
            Caller(name, signed_in(user), role=name if name in Role.values else "", is_person=True)
            for name, user in people.items()
        ),
        Caller("operator", signed_in(operator), is_person=True),
        *(Caller(f"{scope} key", with_key(acme, scope), "admin", scope) for scope in SCOPES),
        Caller("rival's key", with_key(rival, "management"), "", "management"),
    ]


@pytest.fixture
def as_app(callers: list[Caller]) -> Iterator[list[Caller]]:
    """Hand out the callers in a process that has assumed the role of the application."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('role', %s, false)", [tenancy.ROLE])
    yield callers
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('role', 'none', false)")


def expected(route: str, door: Door, caller: Caller) -> int:
    """Return the status a caller must get at a project's route."""
    if route.startswith(PAGE):
        return expected_of_page(door, caller)
    if caller.scope:
        opens = {"management", "inference"} if route.startswith(USAGE) else {"management"}
        if caller.scope not in opens or not caller.role or not is_at_least("admin", door.floor):
            return 403
        # A key has no seat that it could leave.
        return 403 if route.endswith("project/leave") else door.through
    if not caller.is_person:
        return 401
    return expected_of_person(route, door, caller)


def expected_of_page(door: Door, caller: Caller) -> int:
    # A key opens no page: who holds one is nobody there.
    return 302 if not caller.is_person else expected_of_person(PAGE, door, caller)


def expected_of_person(route: str, door: Door, caller: Caller) -> int:
    if not caller.role:
        return 404
    if not is_at_least(caller.role, door.floor):
        return 403
    if route.endswith("project/leave") and caller.role == "owner":
        return 409
    return door.through


@pytest.mark.parametrize("route", sorted(DOORS))
def test_project_opens_to_its_people_and_keys_and_to_nobody_else(
    route: str, acme: Project, as_app: list[Caller]
) -> None:
    path = address(route, acme)

    wanted, got = {}, {}
    for method, door in DOORS[route].items():
        for caller in as_app:
            answer = caller.ask(method, path)
            wanted[method, caller.name] = expected(route, door, caller)
            got[method, caller.name] = answer.status_code
            if answer.status_code == 302:
                assert answer["Location"].startswith(LOGIN)

    assert got == wanted


def test_stranger_and_operator_see_what_a_missing_project_shows(
    acme: Project, as_app: list[Caller]
) -> None:
    nowhere = Project(public_id="proj_000000000000")
    strangers = [caller for caller in as_app if caller.name in {"stranger", "operator"}]

    for route, doors in DOORS.items():
        for method in doors:
            for caller in strangers:
                theirs = caller.ask(method, address(route, acme))
                nobodys = caller.ask(method, address(route, nowhere))
                assert theirs.status_code == nobodys.status_code == 404
                if not route.startswith(PAGE):
                    assert json.loads(theirs.content) == json.loads(nobodys.content)


@pytest.mark.parametrize("route", CONSOLE)
def test_console_opens_to_operators_alone(route: str, acme: Project, as_app: list[Caller]) -> None:
    path = address(route, acme)

    for caller in as_app:
        answer = caller.ask("GET", path)
        if caller.name == "operator":
            assert answer.status_code < 500
            assert not answer.get("Location", "").startswith("/auth/login")
        else:
            assert answer.status_code in {302, 403, 404, 405}, caller.name
            assert not (answer.status_code == 302 and answer["Location"] == "/admin/")
        changed = caller.ask("POST", path) if caller.name != "operator" else answer
        assert changed.status_code != 200 or caller.name == "operator" or route in PUBLIC_FORMS


PUBLIC_FORMS = {"admin/login/"}
"""Where whoever is no operator may post: to become one known."""


@pytest.mark.parametrize("route", SELF)
def test_pages_about_oneself_never_break(route: str, acme: Project, as_app: list[Caller]) -> None:
    for caller in as_app:
        answer = caller.ask("GET", address(route, acme))
        assert answer.status_code in {200, 301, 302, 401, 403, 404, 405}, caller.name
        body = b"" if answer.streaming else answer.content
        assert acme.public_id.encode() not in body or caller.role


@pytest.mark.parametrize("route", sorted(OPEN))
def test_open_address_answers_everybody_alike(
    route: str, acme: Project, as_app: list[Caller]
) -> None:
    nobody, person = OPEN[route]

    for caller in as_app:
        answer = caller.ask("GET", address(route, acme))
        assert answer.status_code == (person if caller.is_person else nobody), caller.name


def test_every_route_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    known = {*DOORS, *OPEN, *CONSOLE, *SELF}
    unruly = {route for route in ROUTES if "(?P" in route and route.startswith("admin/")}

    assert set(ROUTES) - unruly == known

    for route, view in ROUTES.items():
        shape = getattr(view, "cls", None)
        if shape is not None and route.startswith((API, USAGE)):
            methods = {name for name in ("GET", *UNSAFE) if hasattr(shape, name.lower())}
            assert methods == set(DOORS[route]), route
    rows = sum(map(len, DOORS.values())) + len(OPEN) + len(CONSOLE) + len(SELF)
    with capsys.disabled():
        sys.stdout.write(f"\naccess matrix: {rows} rows, {len(known)} routes, 11 callers each\n")
