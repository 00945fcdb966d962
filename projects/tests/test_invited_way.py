"""An invitation's link leads where its holder wants to be, also after it was used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.tests.people import forget_limits, mailed_code, make_person, sign_in
from common import clock
from projects import access, invitations
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db
BOB = "bob@example.com"


@pytest.fixture
def link(ada: User, acme: Project, django_capture_on_commit_callbacks: Any) -> str:
    """Invite Bob, and return the path in the letter."""
    forget_limits()
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(seat=access.seat(ada, acme.public_id), email=BOB, role=Role.MEMBER)
    [word] = [word for word in str(mail.outbox[-1].body).split() if "/invitations/" in word]
    return "/invitations/" + word.partition("/invitations/")[2]


def test_newcomer_registers_with_the_invited_address_and_lands_in_the_project(
    client: Client, acme: Project, link: str
) -> None:
    client.get(link)
    form = client.get(f"/auth/register?next={link}").content.decode()
    said = {"email": BOB, "password1": PASSWORD, "next": link}
    client.post("/auth/register", said)
    proven = client.post("/auth/confirm-email/", {"code": mailed_code()})
    back = client.get(link, follow=True)

    assert "Join Acme" in form
    assert f'value="{BOB}"' in form
    assert "readonly" in form
    assert proven["Location"] == link
    assert back.redirect_chain == [(f"/dashboard/{acme.public_id}/", 302)]
    assert "You are in: Acme." in back.content.decode()
    assert Membership.objects.filter(project=acme, user__email=BOB).exists()


def test_another_address_is_not_taken_on_the_way_to_the_invitation(
    client: Client, link: str
) -> None:
    client.get(link)

    said = {"email": "eve@example.com", "password1": PASSWORD, "next": link}
    answer = client.post("/auth/register", said)

    assert "The invitation is for bob@example.com." in answer.content.decode()
    assert not User.objects.filter(email="eve@example.com").exists()


def test_who_registers_elsewhere_is_bound_to_nothing(client: Client, link: str) -> None:
    client.get(link)

    page = client.get("/auth/register").content.decode()

    assert "Join Acme" not in page
    assert "readonly" not in page


def test_used_link_asks_its_user_to_sign_in_and_then_leads_on(acme: Project, link: str) -> None:
    bob = make_person("bob")
    first, later = Client(), Client()
    sign_in(first, bob.email)
    first.post(link)

    told = later.get(link)
    sign_in(later, bob.email)
    on = later.get(link)

    assert "was used" in told.content.decode()
    assert "Sign in" in told.content.decode()
    assert on["Location"] == f"/dashboard/{acme.public_id}/"


def test_wrong_account_is_told_which_and_can_sign_out_right_there(link: str) -> None:
    eve = Client()
    sign_in(eve, make_person("eve").email)

    page = eve.get(link).content.decode()

    assert "signed in as eve@example.com" in page
    assert "come back as bob@example.com" in page
    assert 'action="/auth/logout/"' in page


def test_used_link_opens_nothing_to_others(acme: Project, link: str) -> None:
    bob, eve = Client(), Client()
    sign_in(bob, make_person("bob").email)
    bob.post(link)
    sign_in(eve, make_person("eve").email)

    answers = [eve.get(link), eve.post(link)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "ask ada@example.com for a new one" in answers[0].content.decode()
    assert Membership.objects.filter(project=acme).count() == 2


def test_late_link_says_whom_to_ask(client: Client, link: str) -> None:
    Invitation.objects.update(expires_at=clock.now())

    page = client.get(link)

    assert page.status_code == 404
    assert "Ask ada@example.com for a new one" in page.content.decode()


def test_link_that_was_taken_back_tells_nothing(client: Client, acme: Project, link: str) -> None:
    Invitation.objects.update(revoked_at=clock.now())

    assert "Acme" not in client.get(link).content.decode()


def test_invitations_of_long_ago_are_forgotten(link: str) -> None:
    moment = clock.now() - invitations.KEPT
    Invitation.objects.update(expires_at=moment + timedelta(hours=1))
    kept = invitations.forget_closed()
    Invitation.objects.update(expires_at=moment - timedelta(hours=1))

    assert (kept, invitations.forget_closed()) == (0, 1)
