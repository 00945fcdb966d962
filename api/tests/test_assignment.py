"""Nothing can be assigned that is not offered: of every operation and of every form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from api.tests.test_foreign_ids import changed, rows
from api.tests.test_openapi import DOCUMENT, INSTEAD, OPERATORS, OURS, World, make_world
from common.rest.inputs import NAMES_SHOWN
from projects.models import Membership, Project, ProjectOwned
from projects.rules import Role
from tests.lasting import lasting
from tests.make import make_user, seat, session_of

Operation = tuple[str, str, dict[str, Any]]


def body_of(operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("example")


pytestmark = pytest.mark.django_db
TAKING = [one for one in OURS if isinstance(body_of(one[2]), dict)]
COLUMNS = sorted(
    {field.name for model in apps.get_models() if issubclass(model, ProjectOwned)
     for field in model._meta.get_fields()}
    | {field.name for field in Project._meta.get_fields()}
    | {field.name for field in Membership._meta.get_fields()}
    | {"id", "pk", "project_id", "object", "created_at", "is_staff", "is_superuser", "__proto__"}
)  # fmt: skip
"""Whatever a row has, and then some: what a clumsy ``update(**body)`` would take."""


@pytest.fixture(scope="module")
def ours(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with lasting(django_db_blocker):
        yield make_world(1)


@pytest.mark.parametrize("one", TAKING, ids=lambda one: one[2]["operationId"])
def test_operation_takes_no_column_that_it_does_not_offer(one: Operation, ours: World) -> None:
    path, method, operation = one
    client = session_of(ours.owner, headers={"if-match": "*"})
    if path.startswith(OPERATORS):
        client = APIClient(headers={"authorization": f"Bearer {ours.token}", "if-match": "*"})
    name = operation["operationId"]
    body = INSTEAD[name](ours) if name in INSTEAD else body_of(operation)
    offered = set(offered_by(operation))
    before = rows()

    others = [column for column in COLUMNS if column not in offered]
    for some in batched(others, NAMES_SHOWN):
        said = {**body, **dict.fromkeys(some, 1)}
        answer = getattr(client, method)(path.format(**ours.ids), said, format="json")
        assert answer.status_code == 400
        assert named_by(answer.json()["error"]) == set(some)
    assert changed(before) == set()


def offered_by(operation: dict[str, Any]) -> dict[str, Any]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    properties: dict[str, Any] = found["properties"]
    return properties


def batched(names: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(names), size):
        yield names[begin : begin + size]


def named_by(error: dict[str, Any]) -> set[str]:
    """Return the fields an error says are not known: one by itself, or a list of them."""
    said = error["message"].partition("These fields are not known: ")[2]
    return set(said.removesuffix(".").split(", ")) if said else {error["param"]}


def test_form_of_a_member_makes_nobody_an_owner_or_operator(ada: User, acme: Project) -> None:
    bob = make_user("bob")
    held = seat(acme, bob, Role.ADMIN)
    client = Client()
    client.force_login(bob)
    wanted = {
        "role": "owner",
        "user": ada.pk,
        "project": acme.pk,
        "is_staff": "on",
        "slug": "mine",
        "is_superuser": "on",
        "public_id": "proj_mine",
        "requires_second_factor": "on",
    }

    client.post(f"/dashboard/{acme.public_id}/settings/", {"name": "Renamed", **wanted})

    held.refresh_from_db()
    bob.refresh_from_db()
    acme.refresh_from_db()
    assert (acme.name, acme.slug, acme.requires_second_factor) == ("Renamed", "acme", False)
    assert (held.role, held.project, bob.is_staff, bob.is_superuser) == (
        "admin",
        acme,
        False,
        False,
    )
