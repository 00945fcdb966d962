"""Another e-mail address gives nobody what belongs to its holder: not before it is proven."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.tests.people import forget_limits, is_signed_in, mailed_code, make_person, sign_in
from projects import access, invitations
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db

ADDRESS = "/auth/email/"
PROOF = "/auth/confirm-email/"


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> None:
    forget_limits()


@pytest.fixture
def eve() -> User:
    return make_person("eve")


@pytest.fixture
def as_eve(client: Client, eve: User) -> Client:
    sign_in(client, eve.email)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})
    return client


def ask_for(client: Client, email: str) -> None:
    answer = client.post(ADDRESS, {"action_add": "", "email": email})
    assert answer.headers["Location"] == PROOF


@pytest.fixture
def waiting(ada: User, acme: Project) -> Invitation:
    return invitations.invite(
        seat=access.seat(ada, acme.public_id), email="bob@example.com", role=Role.ADMIN
    )


def test_address_that_was_only_asked_for_takes_no_seat_kept_for_it(
    as_eve: Client, eve: User, waiting: Invitation
) -> None:
    ask_for(as_eve, "bob@example.com")
    as_eve.post(PROOF, {"code": "XXXX-XXXX"})
    sign_in(Client(), eve.email)

    eve.refresh_from_db()
    waiting.refresh_from_db()
    assert eve.email == "eve@example.com"
    assert waiting.accepted_at is None
    assert not Membership.objects.filter(user=eve, project=waiting.project).exists()


def test_page_of_the_invitation_refuses_the_address_that_was_only_asked_for(
    as_eve: Client, eve: User, waiting: Invitation
) -> None:
    token = "t" * invitations.TOKEN_LENGTH
    Invitation.objects.update(digest=invitations.digest_of(token))
    ask_for(as_eve, "bob@example.com")

    answer = as_eve.post(f"/invitations/{token}/")

    assert answer.status_code == 404
    assert not Membership.objects.filter(user=eve, project=waiting.project).exists()


def test_proven_address_takes_the_place_of_the_old_one(as_eve: Client, eve: User) -> None:
    ask_for(as_eve, "eve@elsewhere.example")
    code = mailed_code()
    assert mail.outbox[-1].to == ["eve@elsewhere.example"]

    as_eve.post(PROOF, {"code": code})

    eve.refresh_from_db()
    assert eve.email == "eve@elsewhere.example"
    assert [row.email for row in EmailAddress.objects.filter(user=eve)] == [eve.email]
    assert any(letter.to == ["eve@example.com"] for letter in mail.outbox)


def test_somebody_elses_address_cannot_be_taken_and_the_answer_does_not_tell(
    as_eve: Client, eve: User
) -> None:
    ada = make_person("ada")
    other = Client()
    sign_in(other, make_person("rex").email)
    other.post("/auth/reauthenticate/", {"password": PASSWORD})

    taken = as_eve.post(ADDRESS, {"action_add": "", "email": ada.email})
    free = other.post(ADDRESS, {"action_add": "", "email": "free@example.com"})
    as_eve.post(PROOF, {"code": "XXXX-XXXX"})

    assert (taken.status_code, taken.get("Location")) == (free.status_code, free.get("Location"))
    eve.refresh_from_db()
    assert eve.email == "eve@example.com"
    assert EmailAddress.objects.get(email=ada.email, verified=True).user == ada
    back = Client()
    sign_in(back, ada.email)
    assert is_signed_in(back)


def test_code_proves_the_one_address_it_was_sent_to(as_eve: Client, eve: User) -> None:
    ask_for(as_eve, "eve@elsewhere.example")
    own = mailed_code()
    ask_for(as_eve, "bob@example.com")

    as_eve.post(PROOF, {"code": own})

    assert not EmailAddress.objects.filter(email="bob@example.com", verified=True).exists()


def test_borrowed_session_is_asked_for_the_password_before_the_address_changes(eve: User) -> None:
    borrowed = Client()
    borrowed.force_login(eve)

    answer = borrowed.post(ADDRESS, {"action_add": "", "email": "thief@example.com"})

    assert answer.headers["Location"].startswith("/auth/reauthenticate/")
    assert not EmailAddress.objects.filter(email="thief@example.com").exists()
    assert mail.outbox == []


def test_letters_of_a_reset_go_to_the_proven_address_alone(as_eve: Client, eve: User) -> None:
    ask_for(as_eve, "bob@example.com")
    mail.outbox.clear()

    Client().post("/auth/password/reset/", {"email": "bob@example.com"})

    assert all("code" not in letter.subject.lower() for letter in mail.outbox)
    assert eve.check_password(PASSWORD)
