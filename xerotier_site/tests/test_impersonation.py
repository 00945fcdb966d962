"""Operators may look through people's eyes: read only, announced, and on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.people import make_person
from audit.models import AuditEntry
from common import clock
from projects.models import Project
from tests.make import make_key, make_project
from xerotier_site import impersonation


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def acme(ada: User) -> Project:
    return make_project("acme", owner=ada)


@pytest.fixture
def as_ada(as_operator: Client, acme: Project, ada: User) -> Client:
    """The operator's browser, looking through Ada's eyes."""
    as_operator.post(f"/admin/see-as/{ada.pk}/")
    return as_operator


def test_operator_sees_what_the_person_sees_under_a_banner(as_ada: Client, acme: Project) -> None:
    page = as_ada.get(f"/dashboard/{acme.public_id}/")

    assert page.status_code == 200
    assert 'id="seen-as"' in page.content.decode()
    assert "ada@example.com" in page.content.decode()


def test_beginning_and_end_are_on_record(as_ada: Client, ada: User, operator: User) -> None:
    as_ada.post("/admin/see-as/end/")

    entries = AuditEntry.objects.filter(object_id=str(ada.pk)).order_by("id")
    assert [(entry.action, entry.actor_name) for entry in entries] == [
        ("person.looked_at_as", operator.email),
        ("person.looked_away", operator.email),
    ]


def test_nothing_can_be_sent_through_their_eyes(as_ada: Client, acme: Project) -> None:
    before = AuditEntry.objects.count()

    answers = [
        as_ada.post(f"/dashboard/{acme.public_id}/settings/", {"name": "Renamed"}),
        as_ada.post(f"/{acme.public_id}/v1/management/endpoints/", {}),
        as_ada.put("/dashboard/"),
        as_ada.delete("/dashboard/"),
        as_ada.patch("/dashboard/"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert Project.objects.get(pk=acme.pk).name == acme.name
    assert AuditEntry.objects.count() == before


def test_way_in_for_somebody_without_a_project_makes_none(as_operator: Client, ada: User) -> None:
    as_operator.post(f"/admin/see-as/{ada.pk}/")
    before = AuditEntry.objects.count()

    answer = as_operator.get("/dashboard/")

    assert answer["Location"] == "/dashboard/new/"
    assert not Project.objects.exists()
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    "path",
    [
        "/auth/email/",
        "/auth/2fa/",
        "/auth/2fa/recovery-codes/",
        "/auth/sessions/",
        "/dashboard/{project}/keys/",
        "/dashboard/{project}/keys/new/",
        "/dashboard/{project}/playground/",
        "/{project}/v1/management/api-keys/",
        "/{project}/v1/management/api-keys",
    ],
)
def test_pages_about_secrets_stay_shut(as_ada: Client, acme: Project, path: str) -> None:
    key = make_key(acme)

    answer = as_ada.get(path.format(project=acme.public_id))

    assert answer.status_code == 403
    assert key.key.public_id not in answer.content.decode()


def test_console_stays_the_operators_own(as_ada: Client) -> None:
    assert as_ada.get("/admin/").status_code == 200


def test_stopping_gives_the_operator_their_own_eyes_back(as_ada: Client, acme: Project) -> None:
    as_ada.post("/admin/see-as/end/")

    assert as_ada.get(f"/dashboard/{acme.public_id}/").status_code == 404


def test_half_an_hour_is_enough(
    as_ada: Client, acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now() + impersonation.PATIENCE + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert as_ada.get(f"/dashboard/{acme.public_id}/").status_code == 404


def test_operator_who_is_one_no_longer_sees_nothing(
    as_ada: Client, acme: Project, operator: User
) -> None:
    User.objects.filter(pk=operator.pk).update(is_superuser=False)

    assert as_ada.get(f"/dashboard/{acme.public_id}/").status_code == 404


def test_another_operator_is_not_looked_at_as(as_operator: Client) -> None:
    other = make_person("other", is_staff=True)

    answer = as_operator.post(f"/admin/see-as/{other.pk}/")

    assert answer.status_code == 403
    assert impersonation.SEEN not in as_operator.session
    assert not AuditEntry.objects.exists()


def test_asking_alone_begins_nothing(as_operator: Client, ada: User) -> None:
    page = as_operator.get(f"/admin/see-as/{ada.pk}/")

    assert page.status_code == 200
    assert "audit log" in page.content.decode()
    assert impersonation.SEEN not in as_operator.session


def test_person_cannot_look_as_anyone(ada: User) -> None:
    rex, client = make_person("rex"), Client()
    client.force_login(ada)

    answer = client.post(f"/admin/see-as/{rex.pk}/")

    assert answer.status_code in {302, 403}
    assert impersonation.SEEN not in client.session
    assert not AuditEntry.objects.exists()


def test_form_of_another_site_begins_nothing(operator: User, ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)

    assert client.post(f"/admin/see-as/{ada.pk}/").status_code == 403
    assert not AuditEntry.objects.exists()
