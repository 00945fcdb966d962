"""Lists of thousands: a part at a time, searched and filtered by URL, in a bounded page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, AgentState
from apikeys.models import ApiKey, KeySecret
from dashboard.shell.lists import PAGE
from dashboard.tests.cast import signed_in, used
from endpoints.models import Endpoint
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat
from usage.budgets import set_budget
from usage.models import Budget

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


def many_budgets(project: Project, keys: list[ApiKey]) -> None:
    Budget.objects.bulk_create(
        Budget(project=project, scope="key", subject_id=key.public_id, amount=1) for key in keys
    )


def many_machines(project: Project) -> None:
    now = timezone.now()
    Agent.objects.bulk_create(
        Agent(
            project=project,
            name=f"runner-{number}",
            public_key=f"{number:043}",
            state=AgentState.ACTIVE,
            enrolled_at=now,
        )
        for number in range(MANY)
    )


def many_people(project: Project) -> None:
    now = timezone.now()
    people = User.objects.bulk_create(
        User(email=f"runner-{number}@example.com") for number in range(MANY)
    )
    Membership.objects.bulk_create(
        Membership(project=project, user=person, role=Role.MEMBER) for person in people
    )
    Invitation.objects.bulk_create(
        Invitation(
            project=project,
            email=f"runner-{number}@example.org",
            role=Role.MEMBER,
            digest=f"{number:064}",
            invited_at=now,
            expires_at=now + timedelta(days=7),
        )
        for number in range(MANY)
    )


@pytest.mark.slow  # It makes thousands of rows.
def test_no_page_reads_all_there_is_to_show_a_few(page: Client, acme: Project) -> None:
    few = make_key(acme, name="few").key
    used(acme, endpoint="chat", key_id=few.public_id)
    keys = many_keys(acme)
    many_endpoints(acme)
    many_budgets(acme, keys)
    many_people(acme)
    many_machines(acme)
    paths = (
        "",
        "endpoints/",
        "endpoints/chat/",
        "keys/",
        "keys/new/",
        f"keys/{keys[0].public_id}/",
        "machines/",
        "machines/join-keys/",
        "usage/",
        "settings/billing/",
        "settings/billing/budgets/",
        "settings/billing/budgets/new/",
        "settings/members/",
        "settings/members/?state=invited",
        "settings/transfer/",
        "names/?of=member&member=runner",
        "names/?of=key&key=run",
    )
    page.get(url(acme, ""))

    for path in paths:
        with CaptureQueriesContext(connection) as asked:
            shown = page.get(url(acme, path)).content
        assert len(asked) < 45, path
        assert len(shown) < 160 * KIB, path
        assert shown.count(b"runner-") <= 4 * PAGE, path


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


def make_member(project: Project, name: str) -> None:
    seat(project, make_user(name), Role.MEMBER)


def make_invitation(project: Project, name: str) -> None:
    now = timezone.now()
    Invitation.objects.create(
        project=project,
        email=f"{name}@example.com",
        role=Role.VIEWER,
        digest=f"{project.slug}-{name}",
        invited_at=now,
        expires_at=now + timedelta(days=7),
    )


def make_budget(project: Project, name: str) -> None:
    key = make_key(project, name=name).key
    set_budget(project=project, scope="key", subject_id=key.public_id, amount=1)


MAKERS: dict[str, Callable[[Project, str], None]] = {
    "settings/members/": make_member,
    "settings/members/?state=invited": make_invitation,
    "settings/billing/budgets/": make_budget,
}


def shown(page: Client, address: str) -> tuple[list[str], str]:
    """Return what a list's rows are called, and where its next part is."""
    listed = page.get(address).context["page"]
    if hasattr(listed, "budgets"):
        return [row.subject for row in listed.budgets], listed.finder.more_url
    return [row.email for row in (*listed.members, *listed.invitations)], listed.finder.more_url


@pytest.mark.parametrize("path", MAKERS)
def test_people_invitations_and_budgets_come_in_parts_that_hold_each_once(
    page: Client, acme: Project, path: str
) -> None:
    for number in range(PAGE + 3):
        MAKERS[path](acme, f"one-{number}")

    first, further = shown(page, url(acme, path))
    second, end = shown(page, further)

    named = [name for name in (*first, *second) if "one-" in name]
    assert (len(first), end) == (PAGE, "")
    assert len(named) == len(set(named)) == PAGE + 3


@pytest.mark.parametrize("path", MAKERS)
def test_people_invitations_and_budgets_are_found_by_name_and_only_ours(
    page: Client, acme: Project, rival: Project, path: str
) -> None:
    MAKERS[path](acme, "nightly")
    MAKERS[path](acme, "laptop")
    MAKERS[path](rival, "nightly-too")
    joint = "&" if "?" in path else "?"

    [row] = shown(page, url(acme, f"{path}{joint}q=NIGHT"))[0]

    assert "nightly" in row
    assert "too" not in row


def test_budget_of_the_whole_project_is_found_by_what_it_is_called(
    page: Client, acme: Project
) -> None:
    set_budget(project=acme, scope="project", subject_id=acme.public_id, amount=1)
    make_budget(acme, "ci")

    rows, _ = shown(page, url(acme, "settings/billing/budgets/?q=whole"))

    assert rows == ["The whole project"]


def test_whoever_may_not_invite_lists_no_invitations_and_is_offered_none(acme: Project) -> None:
    make_invitation(acme, "grace")
    bob = make_user("bob")
    seat(acme, bob, Role.MEMBER)

    answer = signed_in(bob).get(url(acme, "settings/members/?state=invited"))

    assert "grace@" not in answer.content.decode()
    assert "members/invite/" not in answer.content.decode()
    assert answer.context["page"].members


@pytest.mark.parametrize("path", ["settings/members/", "settings/members/?state=invited"])
def test_times_of_people_are_told_in_the_readers_zone_and_utc_beside(
    page: Client, acme: Project, path: str
) -> None:
    make_invitation(acme, "grace")

    said = page.get(url(acme, path)).content.decode().partition("<tbody")[2]

    assert re.search(r'<time datetime="[^"]+\+00:00" title="[^"]+ UTC" data-local="', said)


def test_invite_is_reached_from_the_head_of_the_members(page: Client, acme: Project) -> None:
    head = page.get(url(acme, "settings/members/")).content.decode().partition("<table")[0]

    assert f'href="{url(acme, "settings/members/invite/")}"' in head


def test_billing_shows_the_fullest_budgets_and_leads_to_all(page: Client, acme: Project) -> None:
    for number in range(7):
        key = make_key(acme, name=f"key-{number}").key
        set_budget(project=acme, scope="key", subject_id=key.public_id, amount=100)
        used(acme, key_id=key.public_id, cost=number)

    answer = page.get(url(acme, "settings/billing/"))

    assert [row.percent for row in answer.context["page"].budgets] == [6, 5, 4, 3, 2]
    assert "settings/billing/budgets/" in answer.content.decode()
