"""Invitations are letters to strangers: so many a day, and never a flood to one of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test import override_settings
from rest_framework.test import APIClient

from accounts.models import User
from common.problems import TooOften
from projects import access, invitations, rules
from projects.models import Invitation, Project
from projects.rules import Role
from tests.make import make_key, make_project, make_user, seat

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def sent(*hours_ago: float) -> list[datetime]:
    return [NOW - HOUR * hours for hours in hours_ago]


@pytest.mark.parametrize(
    ("project", "mailbox", "again", "wait"),
    [
        pytest.param([], [], [], None, id="first"),
        pytest.param(sent(0.5), sent(0.5), sent(0.5), 30, id="again within the hour"),
        pytest.param(sent(1), sent(1), sent(1), None, id="again after an hour"),
        pytest.param([], sent(2, 5, 23), [], 60, id="third of the day"),
        pytest.param([], sent(2, 5, 24), [], None, id="third of yesterday"),
        pytest.param(sent(1, 2, 3, 4, 22), [], [], 120, id="the project's day"),
        pytest.param(sent(1, 2, 3, 4), [], [], None, id="one is left"),
        pytest.param(sent(1, 2, 3, 4, 5, 22), [], [], 19 * 60, id="after a lowered limit"),
    ],
)
def test_letter_waits_until_the_oldest_that_counts_is_a_period_old(
    project: list[datetime], mailbox: list[datetime], again: list[datetime], wait: int | None
) -> None:
    said = rules.wait_for_letter(NOW, project=project, mailbox=mailbox, again=again, limits=(5, 3))

    assert (said and said.time) == (None if wait is None else MINUTE * wait)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme", "Acme"),
        ("Acme  \n Research", "Acme Research"),
        ("Win at http://evil.example now", "acme"),
        ("evil.example", "acme"),
        ("www.evil", "acme"),
        ("write to me@evil", "acme"),
        ("v2. Final", "v2. Final"),
        ("x" * 120, "x" * 39 + "…"),
    ],
)
def test_letter_carries_no_address_or_advertisement_of_the_senders(name: str, shown: str) -> None:
    assert rules.name_in_letters(name, "acme") == shown


def seat_of(user: User, project: Project) -> access.Seat:
    return access.seat(user, project.public_id)


def invite(seat: access.Seat, email: str) -> Invitation:
    return invitations.invite(seat=seat, email=email, role=Role.MEMBER)


@pytest.mark.django_db
def test_stranger_gets_one_letter_an_hour_however_often_they_are_invited(
    ada: User, acme: Project, django_capture_on_commit_callbacks: Any
) -> None:
    own = seat_of(ada, acme)
    with django_capture_on_commit_callbacks(execute=True):
        asked = invite(own, "bob@example.net")
        invitations.revoke_invitation(seat=own, invitation=asked)
        for spelling in ("bob@example.net", "BOB@example.net", "bob+1@example.net"):
            with pytest.raises(TooOften) as refused:
                invite(own, spelling)

    assert len(mail.outbox) == 1
    assert refused.value.wait > 3500


@pytest.mark.django_db
def test_other_projects_of_the_same_person_are_no_way_round(ada: User, acme: Project) -> None:
    second = make_project("second", owner=ada)
    invite(seat_of(ada, acme), "bob@example.net")

    with pytest.raises(TooOften):
        invite(seat_of(ada, second), "bob@example.net")


@pytest.mark.django_db
def test_mailbox_gets_so_many_a_day_from_everybody_together() -> None:
    owners = [make_user() for _ in range(4)]
    seats = [seat_of(owner, make_project(owner=owner)) for owner in owners]
    for own in seats[:3]:
        invite(own, "bob@example.net")

    with pytest.raises(TooOften):
        invite(seats[3], "bob@example.net")
    Invitation.objects.update(invited_at=F("invited_at") - timedelta(hours=25))
    invite(seats[3], "bob@example.net")


@pytest.mark.django_db
@override_settings(INVITATIONS_PER_DAY=2)
def test_project_over_its_day_is_told_when_to_come_back(acme: Project) -> None:
    secret = make_key(acme, scopes=("management",)).secret
    key = APIClient(headers={"authorization": f"Bearer {secret}"})
    url = f"/{acme.public_id}/v1/management/invitations"

    answers = [key.post(url, {"email": f"p{n}@example.net"}, format="json") for n in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
    assert 86_000 < int(answers[2]["Retry-After"]) <= 86_400
    assert Invitation.objects.count() == 2


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as pool:
        yield pool


@pytest.mark.django_db(transaction=True)
@override_settings(INVITATIONS_PER_DAY=3)
def test_limit_of_a_day_is_exact_when_many_are_invited_at_once(
    ada: User, acme: Project, crowd: ThreadPoolExecutor
) -> None:
    own = seat_of(ada, acme)

    def one(number: int) -> bool:
        try:
            invite(own, f"p{number}@example.net")
        except TooOften:
            return False
        finally:
            connection.close()
        return True

    assert sum(crowd.map(one, range(12))) == 3


@pytest.mark.django_db
def test_subject_holds_no_link(
    ada: User, acme: Project, django_capture_on_commit_callbacks: Any
) -> None:
    Project.objects.filter(pk=acme.pk).update(name="Free money: https://evil.example/" + "x" * 80)

    with django_capture_on_commit_callbacks(execute=True):
        invite(seat_of(ada, Project.objects.get()), "bob@example.net")

    assert mail.outbox[0].subject == "You are invited to acme on Xerotier"
    assert "evil" not in str(mail.outbox[0].body)


@pytest.mark.django_db
def test_admins_in_turn_are_still_one_project(acme: Project) -> None:
    admins = [make_user() for _ in range(2)]
    for admin in admins:
        seat(acme, admin, Role.ADMIN)
    asked = invite(seat_of(admins[0], acme), "bob@example.net")
    invitations.revoke_invitation(seat=seat_of(admins[0], acme), invitation=asked)

    with pytest.raises(TooOften):
        invite(seat_of(admins[1], acme), "bob@example.net")
