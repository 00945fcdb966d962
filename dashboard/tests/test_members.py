"""Members and invitations by page: who asks whom in, who goes, and who decides."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from dashboard.tests.cast import signed_in
from projects import access, invitations
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import make_user, seat


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


@pytest.fixture
def bob(acme: Project) -> Membership:
    return seat(acme, make_user("bob"), Role.MEMBER)


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/settings/"


def role_of(held: Membership) -> str:
    held.refresh_from_db()
    return held.role


@pytest.mark.django_db(transaction=True)  # The letter goes out after the commit.
def test_invitation_goes_out_and_waits_in_the_list(page: Client, acme: Project) -> None:
    answer = page.post(
        base(acme) + "members/invite/",
        {"email": "Grace@example.com", "role": "viewer"},
        follow=True,
    )

    (row,) = answer.context["page"].invitations
    assert (row.email, row.role, row.invited_by) == (
        "grace@example.com",
        "viewer",
        "ada@example.com",
    )
    assert mail.outbox[-1].to == ["grace@example.com"]
    assert "grace@example.com is invited" in answer.content.decode()


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize(
    ("said", "field", "fault"),
    [
        pytest.param({"email": ""}, "email", "Say whom to invite.", id="nobody"),
        pytest.param({"email": "grace"}, "email", "such as grace@example.com", id="no address"),
        pytest.param({"email": "bob@example.com"}, "email", "is a member already", id="member"),
        pytest.param({"email": "waits@example.com"}, "email", "open invitation", id="asked"),
        pytest.param({"role": "owner"}, "role", "Select a valid choice", id="as owner"),
    ],
)
def test_refused_invitation_says_why_beside_its_field_and_keeps_what_was_typed(
    page: Client, ada: User, acme: Project, said: dict[str, str], field: str, fault: str
) -> None:
    invitations.invite(
        seat=access.seat(ada, acme.public_id), email="waits@example.com", role=Role.MEMBER
    )

    answer = page.post(
        base(acme) + "members/invite/", {"email": "grace@example.com", "role": "viewer", **said}
    )

    form = answer.context["page"].form
    assert answer.status_code == 422
    assert fault in form.errors[field][0]
    assert form["email"].value() == said.get("email", "grace@example.com")
    assert Invitation.objects.count() == 1


def test_revoked_invitation_leaves_the_list(page: Client, ada: User, acme: Project) -> None:
    asked = invitations.invite(
        seat=access.seat(ada, acme.public_id), email="grace@example.com", role=Role.MEMBER
    )

    shown = page.get(base(acme) + f"invitations/{asked.public_id}/revoke/")
    still_open = Invitation.objects.filter(revoked_at=None).exists()
    page.post(base(acme) + f"invitations/{asked.public_id}/revoke/")

    assert (shown.status_code, still_open) == (200, True)
    assert page.get(base(acme) + "members/?state=invited").context["page"].invitations == ()


def test_role_is_changed(page: Client, acme: Project, bob: Membership) -> None:
    answer = page.post(
        base(acme) + f"members/{bob.public_id}/role/", {"role": "admin"}, follow=True
    )

    assert "The role of bob@example.com is now admin." in answer.content.decode()
    assert role_of(bob) == Role.ADMIN


def test_admin_is_not_offered_to_make_an_owner_and_cannot(acme: Project, bob: Membership) -> None:
    admin = make_user("eve")
    own = seat(acme, admin, Role.ADMIN)
    client = signed_in(admin)
    url = base(acme) + f"members/{bob.public_id}/role/"

    offered = client.get(url).context["page"].form.fields["role"].choices
    answer = client.post(url, {"role": "owner"})
    rise = client.post(base(acme) + f"members/{own.public_id}/role/", {"role": "owner"})

    assert [value for value, _ in offered] == ["admin", "member", "viewer"]
    assert (answer.status_code, rise.status_code) == (422, 422)
    assert (role_of(bob), role_of(own)) == (Role.MEMBER, Role.ADMIN)


def test_admin_neither_moves_nor_removes_the_owner(ada: User, acme: Project) -> None:
    admin = make_user("eve")
    seat(acme, admin, Role.ADMIN)
    owner = Membership.objects.get(project=acme, user=ada)
    client = signed_in(admin)

    moved = client.post(base(acme) + f"members/{owner.public_id}/role/", {"role": "viewer"})
    removed = client.post(base(acme) + f"members/{owner.public_id}/remove/")
    row = next(row for row in client.get(base(acme) + "members/").context["page"].members)

    assert (moved.status_code, removed.status_code) == (422, 403)
    assert role_of(owner) == Role.OWNER
    assert (row.role_url, row.remove_url) == ("", "")


def test_removed_member_sees_what_a_stranger_sees(
    page: Client, acme: Project, bob: Membership
) -> None:
    theirs = signed_in(bob.user)
    before = theirs.get(base(acme)).status_code

    page.post(base(acme) + f"members/{bob.public_id}/remove/")

    assert (before, theirs.get(base(acme)).status_code) == (200, 404)


def test_last_owner_is_told_why_they_cannot_leave(page: Client, acme: Project) -> None:
    answer = page.post(base(acme) + "leave/", {"confirmation": "acme"}, follow=True)

    assert "make somebody else owner first" in answer.content.decode()
    assert Membership.objects.filter(project=acme).count() == 1


def test_leaving_is_offered_to_whoever_may_and_not_to_the_only_owner(
    page: Client, acme: Project, bob: Membership
) -> None:
    alone = page.get(base(acme) + "members/").content.decode()
    theirs = signed_in(bob.user).get(base(acme) + "members/").content.decode()
    Membership.objects.filter(pk=bob.pk).update(role=Role.OWNER)
    beside = page.get(base(acme) + "members/").content.decode()

    assert "the only owner" in alone
    assert [f"{base(acme)}leave/" in text for text in (alone, theirs, beside)] == [
        False,
        True,
        True,
    ]


def test_member_leaves(acme: Project, bob: Membership) -> None:
    client = signed_in(bob.user)

    mistyped = client.post(base(acme) + "leave/", {"confirmation": "a"})
    still_in = client.get(base(acme)).status_code
    left = client.post(base(acme) + "leave/", {"confirmation": "acme"})

    assert (mistyped.status_code, still_in) == (422, 200)
    assert left.status_code == 302
    assert client.get(base(acme)).status_code == 404


@pytest.mark.parametrize("said", ["Bob@example.com", "{id}"])
def test_project_is_handed_over(
    page: Client, ada: User, acme: Project, bob: Membership, said: str
) -> None:
    page.post(base(acme) + "transfer/", {"member": said.format(id=bob.public_id)})

    own = Membership.objects.get(project=acme, user=ada)
    assert (role_of(bob), own.role) == (Role.OWNER, Role.ADMIN)


def test_hand_over_to_nobody_in_particular_is_refused_beside_the_field(
    page: Client, acme: Project, bob: Membership, rival: Project
) -> None:
    elsewhere = Membership.objects.get(project=rival)

    empty = page.post(base(acme) + "transfer/", {"member": ""})
    stranger = page.post(base(acme) + "transfer/", {"member": elsewhere.public_id})

    assert "Choose who becomes the owner." in empty.context["page"].form.errors["member"][0]
    assert (empty.status_code, stranger.status_code) == (422, 422)
    assert role_of(elsewhere) == Role.OWNER
    assert role_of(bob) == Role.MEMBER


def test_member_of_another_project_is_missing_here(
    page: Client, acme: Project, rival: Project
) -> None:
    theirs = Membership.objects.get(project=rival)

    moved = page.post(base(acme) + f"members/{theirs.public_id}/role/", {"role": "viewer"})
    removed = page.post(base(acme) + f"members/{theirs.public_id}/remove/")

    assert (moved.status_code, removed.status_code) == (404, 404)
    assert role_of(theirs) == Role.OWNER
