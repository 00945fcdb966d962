"""The OpenAPI document says what is so: every example in it works on a live server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import jsonschema  # type: ignore[import-untyped] # why: has none
import pytest
import yaml
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.tokens import make_token
from api import described
from api.examples import EXAMPLES
from catalog import services as catalog
from catalog.models import CatalogModel
from common import clock
from inference.contracts.entries import dump
from projects import access, invitations
from projects import services as projects
from projects.models import Membership, Project
from projects.rules import Role
from tests.decisions import make_decision, tell
from tests.make import (
    make_agent,
    make_backend,
    make_endpoint,
    make_event,
    make_join_key,
    make_key,
    make_model,
    make_project,
    make_tier,
    make_user,
    make_worker,
    seat,
    session_of,
)
from usage import intake
from usage.budgets import set_budget
from usage.intake import Arrived

DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # why: untyped there
Operation = tuple[str, str, dict[str, Any]]
OPERATIONS: list[Operation] = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
OPERATORS = "/v1/operator/"
OURS = [one for one in OPERATIONS if one[2]["tags"] != ["inference"]]
ONCE = {"transfer_project", "delete_project", "restore_project", "leave_project"}
"""What ends or hands over a project can't be asked for twice."""
AS_OWNER = ONCE - {"leave_project"} | {"set_budget", "change_budget", "end_budget"}
AS_MEMBER = {"leave_project"}
CSRF = "a" * 32


@dataclass
class World:
    """A project with one of everything, and who may ask."""

    project: Project
    owner: User
    member: User
    ids: dict[str, str] = field(default_factory=dict)
    bearer: str = ""
    token: str = ""


def make_world(number: int) -> World:
    owner, member = make_user(f"owner{number}"), make_user(f"member{number}")
    project = make_project(f"acme{number}", owner=owner)
    seat(project, member, Role.MEMBER)
    make_endpoint(project, "chat")
    make_tier("free")
    make_worker(tiers=("free",))
    theirs = access.seat(owner, project.public_id)
    invitation = invitations.invite(seat=theirs, email=f"i{number}@example.com", role=Role.MEMBER)
    event = make_event(project)
    intake.take_in([Arrived("s", f"1-{number}", dump(event))])
    decided = make_decision(project, request_id=event.request_id)
    tell(decided)
    world = World(project, owner, member)
    boss = User.objects.create_superuser(f"boss{number}@example.com", "x")
    _, world.token = make_token(user=boss, name="ci", lasts=timedelta(days=1))
    later = clock.now() + timedelta(days=number + 1)
    to_come = catalog.supersede_terms(
        tier=make_tier("free"), changes={"concurrent": number + 6}, effective_from=later
    )
    world.bearer = make_key(project, scopes=("management", "inference")).secret
    world.ids = {
        "project_id": project.public_id,
        "slug": "chat",
        "key_id": make_key(project, name="theirs").key.public_id,
        "budget_id": set_budget(
            project=project, scope="endpoint", subject_id="ep_x", amount=10
        ).public_id,
        "member_id": Membership.objects.get(project=project, user=member).public_id,
        "invitation_id": invitation.public_id,
        "agent_id": make_agent(project).public_id,
        "join_key_id": make_join_key(project).join_key.public_id,
        "backend_id": make_backend(project).public_id,
        "request_id": event.request_id,
        "decision_id": decided.request_id,
        "model_id": make_model().public_id,
        "tier": "free",
        "number": str(to_come.number),
    }
    return world


BEFORE: dict[str, Callable[[World], object]] = {
    "restore_project": lambda world: projects.mark_for_deletion(
        project=world.project, slug=world.project.slug
    ),
}
INSTEAD: dict[str, Callable[[World], Any]] = {
    "delete_project": lambda world: {"slug": world.project.slug},
    "transfer_project": lambda world: {"member": world.ids["member_id"]},
}
"""What of an example depends on whose it is."""


def headers_of(world: World, path: str, operation: dict[str, Any]) -> dict[str, str]:
    name = operation["operationId"]
    if path.startswith(OPERATORS):
        return {"authorization": f"Bearer {world.token}"}
    if name not in AS_OWNER | AS_MEMBER:
        return {"authorization": f"Bearer {world.bearer}"}
    client = session_of(world.owner if name in AS_OWNER else world.member)
    cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={CSRF}"
    return {"cookie": cookie, "x-csrftoken": CSRF}


def ask(http: httpx2.Client, world: World, one: Operation) -> list[httpx2.Response]:
    """Send an operation's example as the document has it; a POST twice."""
    path, method, operation = one
    name = operation["operationId"]
    headers = headers_of(world, path, operation)
    query = {}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and "example" in parameter:
            query[parameter["name"]] = parameter["example"]
        if parameter["name"] == "If-Match":
            headers["if-match"] = parameter["example"]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = content["example"] if content else None
    if name in INSTEAD and body is not None:
        body = INSTEAD[name](world)
    elif name in INSTEAD:
        query = INSTEAD[name](world)
    if method == "post":
        headers["idempotency-key"] = "example"
    return [
        http.request(
            method.upper(), path.format(**world.ids), headers=headers, params=query, json=body
        )
        for _ in range(2 if method == "post" and name not in ONCE else 1)
    ]


def fault_in(operation: dict[str, Any], answers: list[httpx2.Response]) -> str:
    first = answers[0]
    expected = next(iter(operation["responses"]))
    if str(first.status_code) != expected:
        return f"{first.status_code} instead of {expected}: {first.text[:300]}"
    content = operation["responses"][expected].get("content", {}).get("application/json")
    if content is not None:
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(first.json())
    missing = set(operation["responses"][expected]["headers"]) - set(first.headers)
    missing = {name for name in missing if name.lower() not in first.headers}
    if missing:
        return f"without {missing}"
    if len(answers) > 1 and answers[1].headers.get("idempotency-replayed") != "true":
        return f"was done twice: {answers[1].text[:300]}"
    return ""


@pytest.mark.slow  # Every operation over real HTTP, each in a project of its own: some 15 s.
@pytest.mark.django_db(transaction=True)
def test_every_example_works_on_a_live_server_as_documented(live_server: LiveServer) -> None:
    faults = {}
    with httpx2.Client(base_url=live_server.url, timeout=20) as http:
        for number, one in enumerate(OURS):
            # An operator's example withdraws the model that the next project needs.
            CatalogModel.objects.update(is_listed=True)
            world = make_world(number)
            name = one[2]["operationId"]
            if name in BEFORE:
                BEFORE[name](world)
            fault = fault_in(one[2], ask(http, world, one))
            if fault:
                faults[name] = fault

    assert faults == {}
    assert len(OURS) >= 30


def test_everything_that_takes_a_body_has_an_example() -> None:
    bare = [
        operation["operationId"]
        for _, _, operation in OPERATIONS
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "example" not in content
    ]

    assert bare == []


def test_every_example_is_of_an_operation_and_fits_its_shape() -> None:
    named = {operation["operationId"]: operation for _, _, operation in OPERATIONS}

    assert set(EXAMPLES) <= set(named)
    for operation in named.values():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            schema = content["schema"] | {"components": DOCUMENT["components"]}
            jsonschema.Draft202012Validator(schema).validate(content["example"])


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one[2]["operationId"])
def test_operation_says_what_it_is_and_how_it_refuses(one: Operation) -> None:
    _, _, operation = one

    assert operation["description"].endswith(".")
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert {"400", "401", "403", "404", "429", "500"} <= set(operation["responses"])


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)


def test_committed_document_is_the_served_one(client: Client) -> None:
    committed = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text())

    served = client.get("/api/openapi.json")

    assert served.status_code == 200
    assert served["Content-Type"].startswith("application/")
    assert json.loads(served.content) == json.loads(json.dumps(committed))


def test_description_is_made_once_and_not_sent_to_whoever_has_it(client: Client) -> None:
    first = client.get("/api/openapi.json")
    again = client.get("/api/openapi.json", headers={"if-none-match": first["ETag"]})
    head = client.head("/api/openapi.json")

    assert "max-age" in first["Cache-Control"]
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head["ETag"]) == (200, first["ETag"])
    assert described._made.cache_info().misses == 1


def test_description_is_made_by_one_of_those_who_ask_at_once() -> None:
    described._made.cache_clear()

    with ThreadPoolExecutor(8) as crowd:
        made = set(crowd.map(lambda _: described._written(), range(8)))

    assert len(made) == 1
    assert described._made.cache_info().misses == 1
