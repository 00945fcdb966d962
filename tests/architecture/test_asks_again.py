"""Every door to a sensitive act asks again who it is: the page, and the operation beside it.

A session of hours ago may do what is ordinary. Whatever hands out authority or takes it away
wants a proof of the last minutes; a key is one by itself.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts.tests.people import give_totp
from apikeys.models import ApiKey
from audit.models import AuditEntry
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.architecture.access_table import ASKS_AGAIN, MANAGEMENT, PAGE, PAGES
from tests.architecture.test_parity import BY_API
from tests.make import (
    PASSWORD,
    answering_backends,
    make_backend,
    make_key,
    make_user,
    prove,
    seat,
    session_of,
)

pytestmark = pytest.mark.django_db
LONG_AGO_S = 400
BODIES: dict[str, dict[str, Any]] = {
    "POST api-keys": {"name": "new"},
    "POST join-keys": {"name": "new"},
    "POST backends": {
        "name": "new",
        "url": "https://models.example/v1",
        "models": {"smollm2-135m-instruct": "smollm2-135m-instruct"},
    },
    "POST backends/<str:backend_id>/rotate": {"credential": "n3w"},
    "PATCH api-keys/<str:key_id>": {"scopes": ["inference", "management"]},
    "PATCH project": {"requires_second_factor": False},
    "POST project/transfer": {"member": "{member}"},
    "POST invitations": {"email": "new@example.com"},
    "PATCH members/<str:member_id>": {"role": "admin"},
}
FORMS: dict[str, dict[str, Any]] = {
    "keys/new/": {"name": "new", "scopes": ["inference"]},
    "keys/<str:key_id>/rotate/": {"grace_s": "86400"},
    "keys/<str:key_id>/": {"name": "ci", "scopes": ["inference", "management"]},
    "machines/join-keys/new/": {"name": "new", "uses_max": "1", "lasts_s": "86400"},
    "machines/backends/new/": {"name": "new", "url": "https://models.example/v1"},
    "machines/backends/<str:backend_id>/rotate/": {"credential": "n3w"},
    "settings/second-factor/": {"required": "0"},
    "settings/delete/": {"confirmation": "acme"},
    "settings/transfer/": {"member": "{member}"},
    "settings/members/invite/": {"email": "new@example.com", "role": "member"},
    "settings/members/<str:member_id>/role/": {"role": "admin"},
}
OPERATIONS = [
    f"{method} {path}" for path, doors in MANAGEMENT.items() for method in doors if method != "GET"
]
ACTING_PAGES = sorted(path for path, doors in PAGES.items() if set(doors) - {"GET"})


@pytest.fixture(autouse=True)
def backends() -> Iterator[None]:
    """Have servers that are asked answer."""
    with answering_backends():
        yield


@pytest.fixture
def names(acme: Project) -> dict[str, str]:
    """Hand out a member and a key of acme, which asks everybody for a second factor."""
    member = seat(acme, make_user("bob"), Role.MEMBER)
    key = make_key(acme, name="ci").key
    give_totp(Membership.objects.get(project=acme, role=Role.OWNER).user)
    Project.objects.filter(pk=acme.pk).update(requires_second_factor=True)
    backend = make_backend(acme).public_id
    return {"member": member.public_id, "key": key.public_id, "backend": backend}


def filled(path: str, names: dict[str, str]) -> str:
    for name in ("backend", "key", "member"):
        path = path.replace(f"<str:{name}_id>", names[name])
    return path.replace("<str:", "no-such-").replace(">", "")


def said(body: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {key: names["member"] if value == "{member}" else value for key, value in body.items()}


def world() -> list[Any]:
    return [
        list(Project.objects.values_list("delete_after", "requires_second_factor")),
        list(Membership.objects.order_by("pk").values_list("user", "role")),
        list(ApiKey.objects.order_by("pk").values_list("scopes", "version")),
        Invitation.objects.count(),
        AuditEntry.objects.exclude(action__startswith="person.").count(),
    ]


def ask(client: Any, project: Project, operation: str, names: dict[str, str]) -> Any:
    method, _, path = operation.partition(" ")
    query = "?slug=acme" if operation == "DELETE project" else ""
    return client.generic(
        method,
        f"/{project.public_id}/v1/management/{filled(path, names)}{query}",
        json.dumps(said(BODIES.get(operation, {}), names)),
        content_type="application/json",
        headers={"if-match": "*"},
    )


def owner_of(project: Project) -> Any:
    return Membership.objects.get(project=project, role=Role.OWNER).user


@pytest.mark.parametrize("operation", OPERATIONS)
def test_session_of_long_ago_is_asked_again_exactly_where_the_table_says(
    operation: str, acme: Project, names: dict[str, str]
) -> None:
    client, before = session_of(owner_of(acme), proven_s_ago=LONG_AGO_S), world()

    answer = ask(client, acme, operation, names)

    code = answer.json()["error"]["code"] if answer.status_code >= 400 else ""
    assert (code == "reauthentication_required") == (operation in ASKS_AGAIN)
    if operation in ASKS_AGAIN:
        assert answer.status_code == 401
        assert "/auth/" in answer.json()["error"]["message"]
        assert "/auth/reauthenticate/" in answer["WWW-Authenticate"]
        assert world() == before


@pytest.mark.parametrize("operation", sorted(ASKS_AGAIN))
def test_proof_of_a_moment_ago_opens_the_same_door(
    operation: str, acme: Project, names: dict[str, str]
) -> None:
    answer = ask(session_of(owner_of(acme)), acme, operation, names)

    assert answer.status_code < 300


@pytest.mark.parametrize(
    "operation", sorted(set(ASKS_AGAIN) - {"DELETE project", "POST project/transfer"})
)
def test_key_is_never_asked_who_it_is(operation: str, acme: Project, names: dict[str, str]) -> None:
    secret = make_key(acme, scopes=("management",)).secret
    client = Client(headers={"authorization": f"Bearer {secret}"})

    answer = ask(client, acme, operation, names)

    # What is an owner's alone is refused for that reason and no other.
    assert answer.status_code < 300 or answer.json()["error"]["code"] == "role_insufficient"


@pytest.mark.parametrize("path", sorted(filter(None, ASKS_AGAIN.values())))
def test_page_asks_again_and_leaves_everything_as_it_was(
    path: str, acme: Project, names: dict[str, str]
) -> None:
    ada = owner_of(acme)
    client = Client()
    client.force_login(ada)
    prove(client, ada, s_ago=LONG_AGO_S)
    before = world()

    url = f"/dashboard/{acme.public_id}/{filled(path, names)}"
    way = client.post(url, said(FORMS.get(path, {}), names))

    assert way.status_code == 302
    assert "reauthenticate" in way["Location"]
    assert world() == before


@pytest.mark.parametrize("path", ACTING_PAGES)
def test_page_that_asks_again_is_in_the_table_beside_its_operation(path: str) -> None:
    view = get_resolver().resolve(f"/{PAGE}{path}".replace("<str:project_id>", "x")).func
    asks = "reauthentication.detour" in inspect.getsource(_acting(inspect.unwrap(view)))

    assert asks == (path in ASKS_AGAIN.values())
    if asks:
        assert ASKS_AGAIN[BY_API[path]] == path


def test_proof_is_given_by_the_page_the_refusal_names(acme: Project) -> None:
    client = session_of(owner_of(acme), proven_s_ago=LONG_AGO_S)
    url = f"/{acme.public_id}/v1/management/api-keys"
    refused = client.post(url, {"name": "ci"}, format="json").json()["error"]["message"]
    [way] = [word for word in refused.split() if "/auth/" in word]

    client.post("/auth/" + way.partition("/auth/")[2].rstrip(","), {"password": PASSWORD})

    assert client.post(url, {"name": "ci"}, format="json").status_code == 201


def _acting(view: Any) -> Any:
    """Return what acts for a page: the key's page hands on what is sent to one of several."""
    return vars(inspect.getmodule(view)).get("_change", view)
