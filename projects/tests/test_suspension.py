"""Operators can shut a tenant or a person, say why, and nobody else can undo it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from accounts.errors import LastOperator
from accounts.models import User
from audit.models import AuditEntry
from common import clock
from common.actor import Actor, ActorKind
from projects import suspension
from projects.errors import NotSuspended, SuspensionMalformed
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_project, make_user, seat

BY = Actor(ActorKind.PERSON, "1", "operator@example.com")
WHY = "Unpaid since May."


def suspend(project: Project, **said: Any) -> None:
    suspension.suspend_project(
        **{"project": project, "reason": WHY, "until": None, "by": BY, **said}
    )


def test_suspended_project_can_be_read_but_not_changed(
    as_ada: APIClient, acme: Project, ada: User
) -> None:
    made = make_endpoint(acme, "chat")
    key = APIClient(
        headers={"authorization": f"Bearer {make_key(acme, scopes=('management',)).secret}"}
    )
    pages = Client()
    pages.force_login(ada)
    suspend(acme)
    base = f"/{acme.public_id}/v1/management"

    writes = [
        caller.patch(f"{base}/endpoints/chat", {"state": "paused"}, format="json")
        for caller in (as_ada, key)
    ]
    writes += [as_ada.post(f"{base}/project/leave"), as_ada.post(f"{base}/tokens", {})]
    shown = as_ada.get(f"{base}/project").json()
    page = pages.get(f"/dashboard/{acme.public_id}/")
    paused = pages.post(f"/dashboard/{acme.public_id}/endpoints/chat/pause/")

    assert {(w.status_code, w.json()["error"]["code"]) for w in writes} == {
        (403, "project_suspended")
    }
    assert shown["suspension_reason"] == WHY
    assert key.get(f"{base}/endpoints").status_code == 200
    assert WHY in page.content.decode()
    assert "Create endpoint" not in page.content.decode()
    assert paused.status_code == 403
    made.refresh_from_db()
    assert made.state == "active"


def test_suspension_ends_by_itself(acme: Project) -> None:
    suspend(acme, until=clock.now() + timedelta(hours=1))
    assert suspension.lift_due() == 0

    Project.objects.update(suspended_until=clock.now() - timedelta(seconds=1))
    acme.refresh_from_db()
    assert not acme.is_suspended(clock.now())
    assert suspension.lift_due() == 1

    acme.refresh_from_db()
    assert (acme.suspended_at, acme.suspension_reason) == (None, "")


def test_it_is_on_record_who_did_what_and_why(acme: Project) -> None:
    suspend(acme)
    suspension.lift_project(project=acme, by=BY)

    entries = AuditEntry.objects.filter(project=acme.public_id, action__startswith="project.susp")
    assert [entry.action for entry in entries.order_by("id")] == [
        "project.suspended",
        "project.suspension_lifted",
    ]
    assert {entry.actor_name for entry in entries} == {"operator@example.com"}
    first = entries.order_by("id").first()
    assert first is not None
    assert first.after["reason"] == WHY


def test_reason_and_a_coming_end_are_asked_for(acme: Project) -> None:
    for said in ({"reason": " "}, {"until": clock.now()}):
        with pytest.raises(SuspensionMalformed):
            suspend(acme, **said)
    with pytest.raises(NotSuspended):
        suspension.lift_project(project=acme, by=BY)


def test_suspended_person_is_out_and_so_are_projects_they_alone_own(
    ada: User, acme: Project, rex: User
) -> None:
    shared = make_project("shared", owner=rex)
    seat(shared, ada, Role.OWNER)
    pages = Client()
    pages.force_login(ada)

    shut = suspension.suspend_person(user=ada, reason=WHY, until=None, by=BY)

    acme.refresh_from_db()
    assert shut == [acme]
    assert acme.suspension_reason == WHY
    assert not Project.objects.get(pk=shared.pk).is_suspended(clock.now())
    assert pages.get(f"/dashboard/{acme.public_id}/").status_code == 302

    suspension.lift_person(user=ada, by=BY)
    acme.refresh_from_db()
    ada.refresh_from_db()
    assert ada.is_active
    assert not acme.is_suspended(clock.now())


def test_lifting_a_person_leaves_what_was_suspended_for_itself(ada: User, acme: Project) -> None:
    suspend(acme, reason="Its own fault.")
    suspension.suspend_person(user=ada, reason=WHY, until=None, by=BY)
    suspension.lift_person(user=ada, by=BY)

    acme.refresh_from_db()
    assert acme.suspension_reason == "Its own fault."


def test_last_operator_can_not_be_suspended(db: None) -> None:
    boss = make_user("boss", is_staff=True, is_superuser=True)

    with pytest.raises(LastOperator):
        suspension.suspend_person(user=boss, reason=WHY, until=None, by=BY)


def test_command_suspends_and_lifts_by_any_name(acme: Project, ada: User) -> None:
    call_command("suspend", "acme", "--reason", WHY, "--until", "2199-01-31")
    acme.refresh_from_db()
    assert acme.is_suspended(clock.now())
    call_command("suspend", acme.public_id, "--lift")

    call_command("suspend", ada.email, "--reason", WHY)
    ada.refresh_from_db()
    assert not ada.is_active

    for wrong in (["nobody"], ["acme"], ["acme", "--reason", "x", "--until", "soon"]):
        with pytest.raises(CommandError):
            call_command("suspend", *wrong)
