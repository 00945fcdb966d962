"""A seat is kept for whoever proves to hold the address, and for nobody else."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from audit.models import AuditEntry
from common import clock
from common.actor import SYSTEM
from projects import access, invitations
from projects.access import Seat
from projects.errors import (
    AlreadyMember,
    InvitationPending,
    InvitationUnknown,
    RoleInsufficient,
)
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import make_user, seat

BOB = "bob@example.com"


@pytest.fixture
def owner(ada: User, acme: Project) -> Seat:
    return access.seat(ada, acme.public_id)


@pytest.fixture
def token(owner: Seat, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> str:
    """Invite Bob as admin and return the token from his e-mail."""
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(seat=owner, email="Bob@Example.com", role=Role.ADMIN)
    found = re.search(r"/invitations/(\w+)/", str(mail.outbox[-1].body))
    assert found
    return found[1]


def with_address(name: str, *, verified: bool = True) -> User:
    user = make_user(name)
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
    return user


def test_holder_of_the_address_takes_the_seat_once(acme: Project, token: str) -> None:
    bob = with_address("bob")

    taken = invitations.accept_invitation(user=bob, token=token, by=SYSTEM)

    assert (taken.project, taken.role) == (acme, "admin")
    with pytest.raises(InvitationUnknown):
        invitations.accept_invitation(user=bob, token=token, by=SYSTEM)
    assert AuditEntry.objects.filter(action="invitation.accepted").count() == 1


@pytest.mark.parametrize(
    ("name", "verified"),
    [
        pytest.param("eve", True, id="another person with the link"),
        pytest.param("bob", False, id="address not verified"),
    ],
)
def test_link_alone_opens_nothing(token: str, name: str, *, verified: bool) -> None:
    user = with_address(name, verified=verified)

    with pytest.raises(InvitationUnknown):
        invitations.accept_invitation(user=user, token=token, by=SYSTEM)

    assert not Membership.objects.filter(user=user).exists()
    assert Invitation.objects.get().accepted_at is None


def test_only_a_digest_of_the_token_is_kept(token: str) -> None:
    kept = Invitation.objects.get()

    assert kept.digest == invitations.digest_of(token)
    assert not any(token in str(value) for value in vars(kept).values())
    assert token not in str(list(AuditEntry.objects.values()))


def test_invitation_ends_after_seven_days_and_excludes_its_last_instant(token: str) -> None:
    invitation = Invitation.objects.get()
    end = invitation.invited_at + timedelta(days=7)

    assert invitation.is_pending(end - timedelta(microseconds=1))
    assert not invitation.is_pending(end)

    Invitation.objects.update(expires_at=clock.now(), invited_at=clock.now() - invitations.LASTS)
    with pytest.raises(InvitationUnknown):
        invitations.accept_invitation(user=with_address("bob"), token=token, by=SYSTEM)


def test_revoked_invitation_opens_nothing(owner: Seat, token: str) -> None:
    invitations.revoke_invitation(seat=owner, invitation=Invitation.objects.get())

    with pytest.raises(InvitationUnknown):
        invitations.accept_invitation(user=with_address("bob"), token=token, by=SYSTEM)
    with pytest.raises(InvitationUnknown):
        invitations.revoke_invitation(seat=owner, invitation=Invitation.objects.get())


def test_address_has_one_open_invitation(owner: Seat, token: str) -> None:
    with pytest.raises(InvitationPending):
        invitations.invite(seat=owner, email=BOB.upper(), role=Role.VIEWER)

    assert Invitation.objects.get().role == "admin"
    assert len(mail.outbox) == 1


def test_address_may_be_invited_again_after_the_first_expired(owner: Seat, token: str) -> None:
    Invitation.objects.update(expires_at=clock.now(), invited_at=clock.now() - invitations.LASTS)

    invitations.invite(seat=owner, email=BOB, role=Role.VIEWER)

    revoked = {found.role: found.revoked_at is not None for found in Invitation.objects.all()}
    assert revoked == {"admin": True, "viewer": False}


def test_member_is_not_invited_again(ada: User, owner: Seat) -> None:
    with pytest.raises(AlreadyMember):
        invitations.invite(seat=owner, email=ada.email, role=Role.MEMBER)

    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("giver", "role", "may"),
    [
        (Role.OWNER, Role.ADMIN, True),
        (Role.OWNER, Role.OWNER, False),
        (Role.ADMIN, Role.ADMIN, True),
        (Role.ADMIN, Role.OWNER, False),
        (Role.MEMBER, Role.VIEWER, False),
        (Role.VIEWER, Role.VIEWER, False),
    ],
)
def test_nobody_invites_above_themselves(
    acme: Project, giver: Role, role: Role, *, may: bool
) -> None:
    user = make_user()
    seat(acme, user, giver)
    own = access.seat(user, acme.public_id)

    if may:
        invitations.invite(seat=own, email=BOB, role=role)
    else:
        with pytest.raises(RoleInsufficient):
            invitations.invite(seat=own, email=BOB, role=role)

    assert Invitation.objects.exists() is may


def test_who_registers_with_the_address_is_seated(acme: Project, token: str) -> None:
    bob = with_address("bob")

    taken = invitations.join_invited(user=bob, by=SYSTEM)

    assert [(held.project, held.role) for held in taken] == [(acme, "admin")]


@pytest.mark.parametrize("verified", [True, False])
def test_who_has_a_seat_already_or_no_verified_address_is_not_seated(
    rival: Project, token: str, *, verified: bool
) -> None:
    bob = with_address("bob", verified=verified)
    if verified:
        seat(rival, bob, Role.VIEWER)

    assert invitations.join_invited(user=bob, by=SYSTEM) == []
    assert Invitation.objects.get().accepted_at is None


def test_invitation_into_a_marked_project_opens_nothing(acme: Project, token: str) -> None:
    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now())

    with pytest.raises(InvitationUnknown):
        invitations.accept_invitation(user=with_address("bob"), token=token, by=SYSTEM)


def test_page_asks_first_and_seats_on_post(acme: Project, token: str) -> None:
    client = Client()
    client.force_login(with_address("bob"))

    shown = client.get(f"/invitations/{token}/")
    assert (shown.status_code, Membership.objects.filter(project=acme).count()) == (200, 1)
    assert shown["Referrer-Policy"] == "no-referrer"

    taken = client.post(f"/invitations/{token}/")
    assert (taken.status_code, taken["Location"]) == (302, f"/dashboard/{acme.public_id}/")
    assert client.get(f"/invitations/{token}/")["Location"] == f"/dashboard/{acme.public_id}/"


def test_page_tells_strangers_nothing_and_seats_nobody_else(acme: Project, token: str) -> None:
    assert b"Acme" not in Client().get("/invitations/wrong/").content
    assert Client().get("/invitations/wrong/").status_code == 404
    nobody = Client().post(f"/invitations/{token}/")
    eve = Client()
    eve.force_login(with_address("eve"))

    refused = eve.post(f"/invitations/{token}/")

    assert (nobody.status_code, refused.status_code) == (200, 404)
    assert Membership.objects.filter(project=acme).count() == 1


def test_project_name_can_add_no_header_and_no_markup(
    owner: Seat, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    owner.project.name = "A\r\nBcc: eve {{ token }} {% debug %}"

    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(seat=owner, email=BOB, role=Role.VIEWER)

    sent = mail.outbox[0]
    assert "\n" not in sent.subject
    assert sent.recipients() == [BOB]
    assert "{{ token }} {% debug %}" in sent.subject
