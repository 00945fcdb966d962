"""Lists of thousands: a part at a time, searched and filtered by URL, in a bounded page."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey, KeySecret
from dashboard.lists import PAGE
from dashboard.tests.cast import signed_in, used
from endpoints.models import Endpoint
from projects.models import Project
from tests.make import make_endpoint, make_key

MANY = 2000
KIB = 1024


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def url(project: Project, path: str) -> str:
    return f"/dashboard/{project.public_id}/{path}"


def many_keys(project: Project) -> list[ApiKey]:
    now = timezone.now()
    keys = ApiKey.objects.bulk_create(
        ApiKey(project=project, name=f"runner-{number}", scopes=["inference"], issued_at=now)
        for number in range(MANY)
    )
    KeySecret.objects.bulk_create(
        KeySecret(
            key=key, digest=f"{key.pk:064}", pepper="dev", hint=f"xero_…{key.pk}", issued_at=now
        )
        for key in keys
    )
    return keys


def many_endpoints(project: Project) -> None:
    first = make_endpoint(project, "chat")
    Endpoint.objects.bulk_create(
        Endpoint(project=project, slug=f"slug-{number}", model=first.model, tier=first.tier)
        for number in range(MANY)
    )


@pytest.mark.slow  # It makes thousands of rows.
def test_no_page_reads_all_keys_or_endpoints_to_show_a_few(page: Client, acme: Project) -> None:
    few = make_key(acme, name="few").key
    used(acme, endpoint="chat", key_id=few.public_id)
    keys = many_keys(acme)
    many_endpoints(acme)
    paths = (
        "",
        "endpoints/",
        "endpoints/chat/",
        "keys/",
        "keys/new/",
        f"keys/{keys[0].public_id}/",
        "usage/",
        "settings/billing/",
        "settings/billing/budgets/new/",
        "names/?of=key&key=run",
    )
    page.get(url(acme, ""))

    for path in paths:
        with CaptureQueriesContext(connection) as asked:
            shown = page.get(url(acme, path)).content
        assert len(asked) < 45, path
        assert len(shown) < 160 * KIB, path
        assert shown.count(b"runner-") <= 3 * PAGE, path


def test_further_parts_hold_each_row_once(page: Client, acme: Project) -> None:
    for number in range(PAGE + 3):
        make_key(acme, name=f"key-{number}")

    first = page.get(url(acme, "keys/")).context["page"]
    second = page.get(first.finder.more_url).context["page"]

    names = [row.name for row in (*first.keys, *second.keys)]
    assert (len(first.keys), len(second.keys)) == (PAGE, 3)
    assert names == [f"key-{number}" for number in reversed(range(PAGE + 3))]
    assert second.finder.more_url == ""


@pytest.mark.parametrize("query", ["batch", "BATCH", "{id}", "{hint}"])
def test_key_is_found_by_name_id_or_hint_and_only_ours(
    page: Client, acme: Project, rival: Project, query: str
) -> None:
    wanted = make_key(acme, name="nightly-batch").key
    make_key(acme, name="laptop")
    make_key(rival, name="their-batch")
    said = query.format(id=wanted.public_id, hint=wanted.secrets.get().hint[-4:])

    rows = page.get(url(acme, "keys/"), {"q": said}).context["page"].keys

    assert [row.name for row in rows] == ["nightly-batch"]


def test_filter_stays_in_the_address_of_the_next_part(page: Client, acme: Project) -> None:
    for number in range(PAGE + 1):
        make_key(acme, name=f"ci {number}")

    shown = page.get(url(acme, "keys/"), {"q": "ci", "state": "all"}).context["page"]

    assert "q=ci&state=all&after=" in shown.finder.more_url


def test_search_without_a_hit_offers_all(page: Client, acme: Project) -> None:
    make_endpoint(acme, "chat")

    shown = page.get(url(acme, "endpoints/"), {"q": "\x00nothing"}).content.decode()

    assert "Nothing matches" in shown


def test_endpoint_list_says_what_each_did_in_the_last_day(page: Client, acme: Project) -> None:
    make_endpoint(acme, "chat")
    make_endpoint(acme, "quiet")
    for ending, status in (("complete", 200), ("worker_broke", 502)):
        used(acme, endpoint="chat", ending=ending, status=status)

    rows = page.get(url(acme, "endpoints/")).context["page"].endpoints

    said = {row.slug: lately and (lately.requests, lately.error_percent) for row, lately in rows}
    assert said == {"quiet": None, "chat": (2, 50.0)}
