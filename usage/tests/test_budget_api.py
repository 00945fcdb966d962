"""Budgets, the balance and the ledger by the management API: who may, what is kept, what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from common.models import OutboxEntry
from ledger.services import top_up
from projects.models import Membership, Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat, session_of
from usage import budgets
from usage.models import Budget

ENDPOINTS = "/{0}/v1/management/{1}"


def url(project: Project, what: str) -> str:
    return ENDPOINTS.format(project.public_id, what)


@pytest.fixture
def keeper(acme: Project) -> APIClient:
    """Hand out the session of the project's owner."""
    return session_of(Membership.objects.get(project=acme, role=Role.OWNER).user)


def with_key(project: Project) -> APIClient:
    secret = make_key(project, scopes=("management",)).secret
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def as_admin(project: Project) -> APIClient:
    admin = make_user("adam")
    seat(project, admin, Role.ADMIN)
    return session_of(admin)


def test_budget_is_set_read_changed_and_lifted(keeper: APIClient, acme: Project) -> None:
    said = {"scope": "project", "amount": 5_000, "enforced": True}
    made = keeper.post(url(acme, "budgets"), said, format="json")
    shown = made.json()
    place = url(acme, f"budgets/{shown['id']}")

    changed = keeper.patch(
        place, {"amount": 7_000}, format="json", headers={"if-match": made["ETag"]}
    )
    stale = keeper.patch(
        place, {"amount": 9_000}, format="json", headers={"if-match": made["ETag"]}
    )
    lifted = keeper.delete(place)

    assert made.status_code == 201
    assert (shown["subject"], shown["spent"], shown["percent"]) == (acme.public_id, 0, 0)
    assert (changed.json()["amount"], changed.json()["enforced"]) == (7_000, True)
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "precondition_failed")
    assert lifted.status_code == 204
    assert keeper.get(url(acme, "budgets")).json()["data"] == []
    assert OutboxEntry.objects.filter(topic="budget").count() == 3


def test_second_budget_for_the_same_thing_is_refused(keeper: APIClient, acme: Project) -> None:
    endpoint = make_endpoint(acme)
    said = {"scope": "endpoint", "subject": endpoint.public_id, "amount": 5_000}
    keeper.post(url(acme, "budgets"), said, format="json")

    again = keeper.post(url(acme, "budgets"), {**said, "amount": 1}, format="json")

    assert (again.status_code, again.json()["error"]["code"]) == (409, "budget_taken")
    assert Budget.objects.get().amount == 5_000


@pytest.mark.parametrize("scope", ["project", "endpoint", "key"])
def test_nobody_sets_a_budget_for_what_is_not_theirs(
    keeper: APIClient, acme: Project, rival: Project, scope: str
) -> None:
    theirs = {
        "project": rival.public_id,
        "endpoint": make_endpoint(rival).public_id,
        "key": make_key(rival).key.public_id,
    }[scope]

    answer = keeper.post(
        url(acme, "budgets"), {"scope": scope, "subject": theirs, "amount": 1}, format="json"
    )

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "subject")
    assert not Budget.objects.exists()


@pytest.mark.parametrize("made", [as_admin, with_key])
def test_admins_and_keys_read_budgets_and_change_none(
    acme: Project, made: Callable[[Project], APIClient]
) -> None:
    client = made(acme)
    budget = budgets.set_budget(
        project=acme, scope="project", subject_id=acme.public_id, amount=100, is_enforced=True
    )
    place = url(acme, f"budgets/{budget.public_id}")
    said = {"scope": "endpoint", "subject": make_endpoint(acme).public_id, "amount": 5_000}

    refused = [
        client.post(url(acme, "budgets"), said, format="json"),
        client.patch(place, {"amount": 9}, format="json", headers={"if-match": '"1"'}),
        client.delete(place),
    ]

    for answer in refused:
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role_insufficient")
        assert "only an owner who is signed in" in answer.json()["error"]["message"]
    [shown] = client.get(url(acme, "budgets")).json()["data"]
    assert client.get(place).json() == shown
    kept = Budget.objects.get()
    assert (kept.amount, kept.is_enforced, kept.ended_at, kept.version) == (100, True, None, 1)


def test_viewer_reads_money_and_changes_none_of_it(acme: Project) -> None:
    viewer: User = make_user("vera")
    seat(acme, viewer, Role.VIEWER)
    top_up(project=acme, amount=1_000)
    budget = budgets.set_budget(
        project=acme, scope="project", subject_id=acme.public_id, amount=100
    )
    client = session_of(viewer)

    assert client.get(url(acme, "balance")).json() == {
        "object": "balance",
        "granted": 1_000,
        "spent": 0,
        "balance": 1_000,
        "currency": "USD",
    }
    assert client.get(url(acme, f"budgets/{budget.public_id}")).status_code == 200
    assert client.delete(url(acme, f"budgets/{budget.public_id}")).status_code == 403
    budget.refresh_from_db()
    assert budget.ended_at is None


def test_ledger_pages_by_its_own_ids(keeper: APIClient, acme: Project, rival: Project) -> None:
    made = [top_up(project=acme, amount=number).pk for number in (1, 2, 3)]
    stranger = top_up(project=rival, amount=9)

    first = keeper.get(url(acme, "ledger"), {"limit": 2}).json()
    rest = keeper.get(url(acme, "ledger"), {"after": first["last_id"]}).json()
    foreign = keeper.get(url(acme, "ledger"), {"after": stranger.pk})

    assert [entry["id"] for entry in first["data"]] == [str(made[2]), str(made[1])]
    assert ([entry["amount"] for entry in rest["data"]], rest["has_more"]) == ([1], False)
    assert foreign.json()["error"]["code"] == "cursor_unknown"
