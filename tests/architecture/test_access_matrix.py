"""The access matrix: every address of the control plane, asked by everyone there is.

Callers work as in production, under the database's role for people. Whoever adds a
route says in ``access_table`` who may use it, or this fails. Everybody is made and signed in
once, and what a request changes is taken back; so every row meets the same world.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from accounts.tokens import make_token
from common import tenancy
from projects.models import Project
from projects.rules import Role, is_at_least
from tests.architecture.access_table import (
    API,
    BY_TOKEN,
    CONSOLE,
    DOORS,
    LEAD_BACK,
    OPEN,
    OPERATOR,
    PAGE,
    SELF,
    USAGE,
    WITH_A_FACTOR,
    Door,
    Gate,
)
from tests.lasting import lasting
from tests.make import make_key, make_project, make_user, prove, seat

pytestmark = pytest.mark.django_db
SCOPES = ("inference", "management", "execution", "research")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PLACEHOLDERS = {
    "<str:slug>": "none",
    "<str:key_id>": "key_none",
    "<str:agent_id>": "agt_none",
    "<str:join_key_id>": "jk_none",
    "<str:backend_id>": "bck_none",
    "<str:budget_id>": "bud_none",
    "<str:member_id>": "mem_none",
    "<str:invitation_id>": "inv_none",
    "<str:name>": "none",
    "<path:name>": "none",
    "<str:token>": "none",
    "<str:request_id>": "req_none",
    "<str:decision_id>": "dec_none",
    "<str:public_id>": "proj_none",
    "<str:model_id>": "mdl_none",
    "<str:tier>": "none",
    "<str:number>": "1",
    "<path:object_id>": "999999",
    "<path:content_type_id>": "999999",
    "<int:user_id>": "999999",
    "<int:session_id>": "999999",
    "<int:pk>": "999999",
    "^(?P<provider_id>[^/]+)": "none",
    "(?P<url>.*)$": "no/such/page",
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
        """Send one request and take back whatever it changed, here and in the session."""
        cookies = self.client.cookies.output()
        with transaction.atomic():
            answer = self.client.generic(method, path, "{}", "application/json")
            transaction.set_rollback(True)
        if self.client.cookies.output() != cookies:
            self.client.cookies.clear()
            self.client.cookies.load(cookies.replace("Set-Cookie: ", "").replace("\r\n", "; "))
        return answer


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for found in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from routes(found.url_patterns, path)
        elif isinstance(found, URLPattern):
            yield path, found.callback


ROUTES = dict(routes())
CONSOLE_ROUTES = sorted(route for route in ROUTES if route.startswith("admin/"))
OF_METHODS: list[Sized] = [*DOORS.values(), *BY_TOKEN.values()]
ROW_COUNT = sum(len(methods) for methods in OF_METHODS) + 2 * len({*OPEN, *SELF, *CONSOLE_ROUTES})


@dataclass(frozen=True)
class World:
    """One project, one rival project, and everyone there is."""

    project: Project
    callers: list[Caller]
    with_token: Caller

    def named(self, *names: str) -> list[Caller]:
        return [caller for caller in self.callers if caller.name in names]


def address(route: str, project: Project) -> str:
    path = "/" + route.replace("<str:project_id>", project.public_id)
    for name, value in PLACEHOLDERS.items():
        path = path.replace(name, value)
    if "^(?P<app_label>" in path:
        path = "/admin/projects/"
    assert not set("<>()?^$") & set(path), f"{route}: say in PLACEHOLDERS what stands there"
    return path


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    prove(client, user)
    return client


def with_key(project: Project, scope: str) -> Client:
    secret = make_key(project, scopes=(scope,)).secret
    return Client(raise_request_exception=False, headers={"authorization": f"Bearer {secret}"})


def make_world() -> World:
    ada, rex = make_user("ada"), make_user("rex")
    acme, rival = make_project("acme", owner=ada), make_project("rival", owner=rex)
    people = {"owner": ada, "stranger": rex}
    for role in (Role.ADMIN, Role.MEMBER, Role.VIEWER):
        people[role.value] = make_user(role.value)
        seat(acme, people[role.value], role)
    operator = User.objects.create_superuser("operator@example.com", "x")
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={})
    callers = [
        Caller("nobody", Client(raise_request_exception=False)),
        *(
            Caller(name, signed_in(user), role=name if name in Role.values else "", is_person=True)
            for name, user in people.items()
        ),
        Caller("operator", signed_in(operator), is_person=True),
        *(Caller(f"{scope} key", with_key(acme, scope), "admin", scope) for scope in SCOPES),
        Caller("rival's key", with_key(rival, "management"), "", "management"),
    ]
    _, plain = make_token(user=operator, name="ci", lasts=timedelta(days=1))
    bearer = Client(raise_request_exception=False, headers={"authorization": f"Bearer {plain}"})
    return World(acme, callers, Caller("an operator's token", bearer))


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Hand out the world, in a process that has assumed the role of the application."""
    unlimited = override_settings(ACCOUNT_RATE_LIMITS=False, USERSESSIONS_TRACK_ACTIVITY=False)
    with lasting(django_db_blocker), unlimited:
        made = make_world()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('role', %s, true)", [tenancy.ROLE])
        yield made


def passes(route: str, door: Door, caller: Caller) -> bool:
    """Say whether a caller gets through the door of a project's route."""
    role = caller.role
    if caller.scope:
        opens = "inference" if route.startswith(USAGE) else "management"
        # A key opens no page: who holds one is nobody there.
        role = role if caller.scope == opens and not route.startswith(PAGE) else ""
    return bool(role) and is_at_least(role, door.floor)


def expected(route: str, door: Door, caller: Caller) -> int:
    """Return the status a caller must get at a project's route."""
    if passes(route, door, caller):
        if route.endswith("project/leave") and (caller.scope or caller.role == "owner"):
            # A key has no seat that it could leave, and the last owner must not.
            return 403 if caller.scope else 409
        return door.through
    if caller.is_person:
        return 403 if caller.role else 404
    if route.startswith(PAGE):
        return 302
    return 403 if caller.scope else 401


def answers(world: World, method: str, route: str, query: str = "") -> dict[str, int]:
    path = address(route, world.project) + query
    found = {}
    for caller in world.callers:
        cache.clear()  # Guesses at signing in are counted there; not what this is about.
        found[caller.name] = caller.ask(method, path)
    for answer in found.values():
        if route in DOORS and answer.status_code == 302:
            back = LEAD_BACK.get(route.removeprefix(PAGE), "")
            led_back = bool(back) and answer["Location"] == address(PAGE + back, world.project)
            assert led_back or answer["Location"].startswith("/auth/login")
    return {name: answer.status_code for name, answer in found.items()}


@pytest.mark.parametrize("route", sorted(DOORS))
def test_project_opens_to_its_people_and_keys_and_to_nobody_else(route: str, world: World) -> None:
    doors = DOORS[route]

    got = {method: answers(world, method, route) for method in doors}

    assert got == {
        method: {caller.name: expected(route, door, caller) for caller in world.callers}
        for method, door in doors.items()
    }


@pytest.mark.parametrize("route", sorted(route for route in DOORS if not route.startswith(PAGE)))
def test_wrong_question_is_told_only_to_those_who_may_ask(route: str, world: World) -> None:
    for method, door in DOORS[route].items():
        got = answers(world, method, route, "?no-such-parameter=1")

        assert got == {
            caller.name: 400 if passes(route, door, caller) else expected(route, door, caller)
            for caller in world.callers
        }


@pytest.mark.parametrize("route", sorted(BY_TOKEN))
def test_operator_api_opens_to_an_operators_token_and_to_nobody_else(
    route: str, world: World
) -> None:
    for method, through in BY_TOKEN[route].items():
        assert set(answers(world, method, route, "?no-such-parameter=1").values()) == {401}
        path = address(route, world.project)
        assert world.with_token.ask(method, path).status_code == through
        assert world.with_token.ask(method, path + "?no-such-parameter=1").status_code == 400


@pytest.mark.parametrize("route", sorted(route for route in DOORS if not route.startswith(PAGE)))
def test_operators_token_opens_no_project(route: str, world: World) -> None:
    for method in DOORS[route]:
        assert world.with_token.ask(method, address(route, world.project)).status_code == 401


def test_stranger_and_operator_see_what_a_missing_project_shows(world: World) -> None:
    nowhere = Project(public_id="proj_000000000000")

    for route, doors in DOORS.items():
        for method in doors:
            for caller in world.named("stranger", "operator"):
                theirs = caller.ask(method, address(route, world.project))
                nobodys = caller.ask(method, address(route, nowhere))
                assert theirs.status_code == nobodys.status_code == 404
                if not route.startswith(PAGE):
                    assert json.loads(theirs.content) == json.loads(nobodys.content)


@pytest.mark.parametrize("route", sorted(route for route in DOORS if route.startswith(PAGE)))
def test_page_takes_no_method_that_the_table_does_not_name(route: str, world: World) -> None:
    [owner] = world.named("owner")

    for method in set(METHODS) - set(DOORS[route]):
        assert owner.ask(method, address(route, world.project)).status_code == 405, method


def at_gate(gate: Gate, caller: Caller) -> list[int]:
    return [asked[caller.is_person] for asked in (gate.get, gate.post)]


@pytest.mark.parametrize("route", sorted({*OPEN, *SELF}))
def test_address_of_no_project_tells_people_and_nobody_what_the_table_says(
    route: str, world: World
) -> None:
    get, post = answers(world, "GET", route), answers(world, "POST", route)

    gate = {**OPEN, **SELF}[route]
    for caller in world.callers:
        wanted = WITH_A_FACTOR.get(route, gate) if caller.name == "operator" else gate
        assert [get[caller.name], post[caller.name]] == at_gate(wanted, caller), caller.name


@pytest.mark.parametrize("route", CONSOLE_ROUTES)
def test_console_opens_to_operators_alone(route: str, world: World) -> None:
    path = address(route, world.project)
    sign_in = f"/admin/login/?next={path}"

    for caller in world.callers:
        asked = [caller.ask(method, path) for method in ("GET", "POST")]
        if caller.name == "operator":
            assert all(answer.status_code < 500 for answer in asked)
            assert not any("login" in answer.get("Location", "") for answer in asked)
        elif route in CONSOLE:
            assert [answer.status_code for answer in asked] == at_gate(CONSOLE[route], caller)
        else:
            to = AWAY.get(route, sign_in)
            assert [answer.get("Location") for answer in asked] == [to, to], caller.name


AWAY = {"admin/logout/": "/admin/", "admin/password_change/": "/auth/password/change/"}
"""Where the console sends whoever is no operator, if not to its sign-in."""


def test_every_route_is_in_the_table_and_their_number_is_told(
    record_property: Callable[[str, object], None],
) -> None:
    record_property(
        "told", f"access matrix: {ROW_COUNT} rows, {len(ROUTES)} routes, 12 callers each"
    )

    assert set(ROUTES) == {*DOORS, *BY_TOKEN, *OPEN, *SELF, *CONSOLE_ROUTES}
    for route, view in ROUTES.items():
        shape = getattr(view, "cls", None)
        if shape is not None and route.startswith((API, USAGE, OPERATOR)):
            named = {*DOORS.get(route, ()), *BY_TOKEN.get(route, ())}
            assert {name for name in METHODS if hasattr(shape, name.lower())} == named
