"""Ids of another tenant's rows are worth nothing: in a path, in a body, by API and by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from api.tests.test_openapi import OPERATORS, World, make_world
from api.tests.test_openapi import OURS as ALL
from apikeys.models import KeySecret
from common import clock
from projects.models import Membership, Project
from tests.architecture.access_table import PAGE, PAGES
from tests.lasting import lasting
from tests.make import make_key, session_of

pytestmark = pytest.mark.django_db
NOBODYS = {
    "slug": "none",
    "key_id": "key_none",
    "budget_id": "bud_none",
    "member_id": "mem_none",
    "invitation_id": "inv_none",
    "request_id": "req_none",
    "decision_id": "dec_none",
    "agent_id": "agt_none",
    "join_key_id": "jk_none",
    "backend_id": "bck_none",
}
USED = "last_used_at"
OURS = [one for one in ALL if not one[0].startswith(OPERATORS)]
"""What the operator API offers belongs to no project; keys open nothing of it."""
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def ours(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with lasting(django_db_blocker):
        yield make_world(1)


def rows() -> dict[str, str]:
    """Digest every table there is, so that a change anywhere shows; a key's last use is none."""
    names = [
        (model._meta.label, connection.ops.quote_name(model._meta.db_table))
        for model in apps.get_models()
        if model._meta.app_label not in {"sessions", "usersessions"}
    ]
    digests = " UNION ALL ".join(
        f"SELECT '{label}', md5(string_agg((to_jsonb(t) - '{USED}')::text, ',' ORDER BY to_jsonb(t)::text))"  # noqa: E501,S608 - names of ours
        f" FROM {table} t"
        for label, table in names
    )
    with connection.cursor() as cursor:
        cursor.execute(digests)
        return dict(cursor.fetchall())


def placeholders(path: str) -> set[str]:
    return {name for name in NOBODYS if f"{{{name}}}" in path or f":{name}>" in path}


@pytest.mark.parametrize(
    "one", [one for one in ALL if one not in OURS], ids=lambda one: one[2]["operationId"]
)
def test_key_of_a_project_is_nobody_at_the_operator_api(one: Operation, ours: World) -> None:
    path, method, _ = one
    client = APIClient(headers={"authorization": f"Bearer {ours.bearer}", "if-match": "*"})
    before = rows()

    answer = client.generic(method.upper(), path.format(**ours.ids))

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert changed(before) == set()


@pytest.mark.parametrize("one", OURS, ids=lambda one: one[2]["operationId"])
def test_key_of_a_rival_is_told_that_the_project_is_not_its_own(
    one: Operation, ours: World, rival: Project
) -> None:
    path, method, _ = one
    theirs = make_key(rival, scopes=("management", "inference"))
    client = APIClient(headers={"authorization": f"Bearer {theirs.secret}", "if-match": "*"})
    before = rows()

    answer = client.generic(method.upper(), path.format(**ours.ids))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_project_access")
    assert changed(before) == set()


def changed(before: dict[str, str]) -> set[str]:
    """Name the tables whose rows are not what they were."""
    now = rows()
    return {name for name in now if now[name] != before[name]}


def test_change_of_one_row_is_seen_and_a_keys_last_use_is_none(ours: World) -> None:
    """Guard the tests around: what they compare tells tables apart."""
    before = rows()

    Project.objects.filter(pk=ours.project.pk).update(name="Renamed")
    KeySecret.objects.update(last_used_at=clock.now())

    assert changed(before) == {"projects.Project"}


WITH_IDS = [one for one in OURS if placeholders(one[0])]


@pytest.mark.parametrize("one", WITH_IDS, ids=lambda one: one[2]["operationId"])
def test_id_of_ours_in_a_rivals_path_is_what_nobodys_id_is(
    one: Operation, ours: World, rex: User, rival: Project
) -> None:
    path, method, operation = one
    client = session_of(rex, headers={"if-match": "*"})
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})

    def ask(ids: dict[str, str]) -> tuple[int, str]:
        url = path.format(**{**ids, "project_id": rival.public_id})
        query = f"?slug={ids['slug']}" if operation["operationId"] == "retire_endpoint" else ""
        body = content.get("example")
        answer = getattr(client, method)(url + query, body, format="json")
        text = answer.content.decode()
        for name in placeholders(path):
            text = text.replace(ids[name], "ID")
        return answer.status_code, text

    nobodys = ask(NOBODYS)
    before = rows()

    assert ask(ours.ids) == nobodys
    assert nobodys[0] == 404
    assert changed(before) == set()


def test_every_kind_of_id_is_tried(ours: World) -> None:
    named = {part for one in OURS for part in one[0].split("/") if part.startswith("{")}

    assert named == {"{project_id}", *(f"{{{name}}}" for name in NOBODYS)}
    of_no_project = {"model_id", "tier", "number"}
    assert set(ours.ids) - of_no_project == {"project_id", *NOBODYS}


IN_A_BODY: dict[str, Callable[[World, Membership], dict[str, Any]]] = {
    "api-keys": lambda ours, _: {"name": "x", "endpoint": ours.ids["slug"]},
    "tokens": lambda ours, _: {"endpoint": ours.ids["slug"]},
    "project/transfer": lambda _, held: {"member": held.public_id},
}
"""Who takes an id in a body, and one of ours there."""


@pytest.mark.parametrize("path", sorted(IN_A_BODY))
def test_id_of_ours_in_a_rivals_body_is_unknown_there(
    path: str, ours: World, rex: User, rival: Project
) -> None:
    client = session_of(rex)
    body = IN_A_BODY[path](ours, Membership.objects.get(user=ours.member))
    before = rows()

    answer = client.post(f"/{rival.public_id}/v1/management/{path}", body, format="json")

    assert answer.json()["error"]["code"] in {"endpoint_not_found", "member_not_found"}
    assert changed(before) == set()


PAGES_WITH_IDS = sorted(path for path in PAGES if placeholders(path) - {"name"})


def addresses(path: str, ids: dict[str, str]) -> Iterator[str]:
    for name in placeholders(path):
        yield path.replace(f"<str:{name}>", ids[name])


@pytest.mark.parametrize("path", PAGES_WITH_IDS)
def test_page_of_ours_is_missing_in_a_rivals_project(
    path: str, ours: World, rex: User, rival: Project
) -> None:
    client = Client()
    client.force_login(rex)
    before = rows()

    for method in PAGES[path]:
        [url] = addresses(PAGE.replace("<str:project_id>", rival.public_id) + path, ours.ids)
        answer = client.generic(method, f"/{url}")
        if answer.status_code == 302 and method == "GET":  # Any address that only acts leads back.
            answer = client.get(answer["Location"])
        assert answer.status_code == 404, method

    assert changed(before) == set()
