"""Lists come in pages that never shift, repeat or skip, and hold only ours."""

from __future__ import annotations

import pytest
from django.db import connection
from rest_framework.test import APIClient

from apikeys.models import ApiKey
from projects.models import Project
from tests.make import make_key


@pytest.fixture
def names(acme: Project) -> list[str]:
    """Return the names of five keys, newest first; the manager's own is the oldest."""
    for number in range(5):
        make_key(acme, name=f"k{number}")
    return [f"k{number}" for number in reversed(range(5))]


def test_page_has_the_list_shape_of_openai(manager: APIClient, home: str, names: list[str]) -> None:
    page = manager.get(f"{home}/api-keys?limit=2").json()

    assert set(page) == {"object", "data", "has_more", "first_id", "last_id"}
    assert (page["object"], page["has_more"]) == ("list", True)
    assert [key["id"] for key in page["data"]] == [page["first_id"], page["last_id"]]


def test_walk_down_meets_every_item_once_though_new_ones_arrive(
    manager: APIClient, home: str, names: list[str], acme: Project
) -> None:
    met, query = [], "limit=2"
    while True:
        page = manager.get(f"{home}/api-keys?{query}").json()
        met += [key["name"] for key in page["data"]]
        make_key(acme)
        if not page["has_more"]:
            break
        query = f"limit=2&after={page['last_id']}"

    assert met == [*names, "manager"]


def test_walk_up_meets_what_lies_next_above(
    manager: APIClient, home: str, names: list[str]
) -> None:
    oldest = ApiKey.objects.get(name="manager").public_id

    above = manager.get(f"{home}/api-keys?limit=2&before={oldest}").json()
    top = manager.get(f"{home}/api-keys?limit=9&before={oldest}").json()

    assert [key["name"] for key in above["data"]] == ["k1", "k0"]
    assert above["has_more"] is True
    assert ([key["name"] for key in top["data"]], top["has_more"]) == (names, False)


def test_empty_page_has_no_ends(manager: APIClient, home: str) -> None:
    page = manager.get(f"{home}/endpoints").json()

    assert page == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        pytest.param("limit=0", "invalid_request", "limit", id="limit of nothing"),
        pytest.param("limit=101", "invalid_request", "limit", id="limit over 100"),
        pytest.param("limit=x", "invalid_request", "limit", id="limit of words"),
        pytest.param("limit=1&limit=2", "invalid_request", "limit", id="limit twice"),
        pytest.param("offset=1", "invalid_request", "offset", id="unknown parameter"),
        pytest.param("format=xml", "invalid_request", "format", id="another format"),
        pytest.param("after=key_0", "cursor_unknown", "after", id="cursor of nobody"),
        pytest.param("after=a&before=b", "invalid_request", "before", id="both directions"),
        pytest.param("after=%00", "invalid_request", "after", id="NUL"),
    ],
)
def test_query_is_read_strictly(
    manager: APIClient, home: str, query: str, code: str, param: str
) -> None:
    answer = manager.get(f"{home}/api-keys?{query}")

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


def test_resource_without_parameters_takes_none(manager: APIClient, home: str) -> None:
    key = ApiKey.objects.get().public_id

    assert manager.get(f"{home}/api-keys/{key}?expand=1").json()["error"]["param"] == "expand"


def test_strangers_item_is_no_cursor(manager: APIClient, home: str, rival: Project) -> None:
    theirs = make_key(rival).key.public_id

    answer = manager.get(f"{home}/api-keys?after={theirs}")

    assert answer.json() == manager.get(f"{home}/api-keys?after=key_missing").json()


def test_list_holds_only_ours(manager: APIClient, home: str, rival: Project) -> None:
    make_key(rival, name="theirs")

    assert [key["name"] for key in manager.get(f"{home}/api-keys").json()["data"]] == ["manager"]


def test_page_is_one_range_of_an_index(acme: Project) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(
            "EXPLAIN SELECT * FROM apikeys_apikey WHERE project_id = %s AND id < 9 "
            "ORDER BY id DESC LIMIT 21",
            [acme.pk],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "apikey_newest_in_project" in plan
    assert "Sort" not in plan
