"""Authority ends with its holder: no key, and nothing made by it, outlives who answers for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts import services as accounts
from accounts.models import User
from accounts.tests.people import give_totp, make_person
from apikeys.models import ApiKey
from apikeys.rules import Scope
from apikeys.services import issue_key
from audit.models import AuditEntry
from common.actor import SYSTEM
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import make_key, make_project, prove, seat, session_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam(acme: Project) -> Membership:
    """Seat an admin in acme."""
    return seat(acme, make_person("adam"), Role.ADMIN)


def management_key(project: Project, user: User, name: str = "deploy") -> APIClient:
    issued = issue_key(project=project, name=name, scopes=(Scope.MANAGEMENT,), issuer=user)
    return APIClient(headers={"authorization": f"Bearer {issued.secret}"})


def inference_key(project: Project, user: User) -> ApiKey:
    return issue_key(project=project, name="serving", issuer=user).key


def url(project: Project, path: str) -> str:
    return f"/{project.public_id}/v1/management/{path}"


def invite(client: APIClient, project: Project, role: str = "admin") -> Any:
    body = {"email": "back@example.net", "role": role}
    return client.post(url(project, "invitations"), body, format="json")


def remove(owner: APIClient, project: Project, member: Membership, query: str = "") -> None:
    answer = owner.delete(url(project, f"members/{member.public_id}{query}"))
    assert answer.status_code == 204


def live_keys() -> set[str]:
    return set(ApiKey.objects.filter(revoked_at=None).values_list("name", flat=True))


def test_removed_admin_has_no_key_left_to_come_back_by(
    as_ada: APIClient, acme: Project, adam: Membership
) -> None:
    key = management_key(acme, adam.user)
    inference_key(acme, adam.user)
    further = key.post(
        url(acme, "api-keys"), {"name": "further", "scopes": ["management"]}, format="json"
    ).json()["secret"]
    others = make_key(acme, name="others")

    remove(as_ada, acme, adam)

    again = APIClient(headers={"authorization": f"Bearer {further}"})
    assert live_keys() == {others.key.name}
    for client in (key, again):
        assert client.get(url(acme, "members")).status_code == 401
        assert invite(client, acme).status_code == 401
    reasons = [
        entry.after["reason"] for entry in AuditEntry.objects.filter(action="apikey.revoked")
    ]
    assert reasons == ["adam@example.com is no member any more"] * 3


def test_keys_that_stay_are_answered_for_by_whoever_kept_them(
    as_ada: APIClient, ada: User, acme: Project, adam: Membership
) -> None:
    key = management_key(acme, adam.user)
    serving = inference_key(acme, adam.user)

    remove(as_ada, acme, adam, "?keys=keep")

    serving.refresh_from_db()
    assert live_keys() == {"deploy", "serving"}
    assert serving.issued_by == ada
    assert key.get(url(acme, "members")).status_code == 200
    assert AuditEntry.objects.filter(action="apikey.handed_over").count() == 2


def test_unknown_word_about_keys_removes_nobody(
    as_ada: APIClient, acme: Project, adam: Membership
) -> None:
    answer = as_ada.delete(url(acme, f"members/{adam.public_id}?keys=maybe"))

    assert answer.status_code == 400
    assert Membership.objects.filter(pk=adam.pk).exists()


@pytest.mark.parametrize(
    ("role", "may"),
    [
        pytest.param(Role.ADMIN, {"list", "issue", "invite"}, id="admin"),
        pytest.param(Role.MEMBER, {"list", "issue"}, id="member"),
        pytest.param(Role.VIEWER, {"list"}, id="viewer"),
    ],
)
def test_key_carries_no_more_than_its_maker_does_by_now(
    acme: Project, adam: Membership, role: Role, may: set[str]
) -> None:
    key = management_key(acme, adam.user)
    Membership.objects.filter(pk=adam.pk).update(role=role)

    did = {
        "list": key.get(url(acme, "members")),
        "issue": key.post(url(acme, "api-keys"), {"name": "new"}, format="json"),
        "invite": invite(key, acme),
    }

    assert {name for name, answer in did.items() if answer.status_code < 300} == may
    assert {did[name].status_code for name in set(did) - may} <= {403}


def test_key_of_an_owner_is_still_no_owner(ada: User, acme: Project) -> None:
    key = management_key(acme, ada)

    answer = key.delete(url(acme, "project?slug=acme"))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role_insufficient")


def test_key_whose_maker_was_gone_before_is_refused_as_well(
    acme: Project, adam: Membership
) -> None:
    key = management_key(acme, adam.user)
    Membership.objects.filter(pk=adam.pk).delete()

    assert key.get(url(acme, "members")).status_code == 401
    assert invite(key, acme).status_code == 401


def test_invitation_sent_by_a_key_ends_with_the_keys_maker(
    as_ada: APIClient, acme: Project, adam: Membership
) -> None:
    assert invite(management_key(acme, adam.user), acme).status_code == 201

    remove(as_ada, acme, adam)

    sent = Invitation.objects.get()
    assert (sent.invited_by, sent.revoked_at is not None) == (adam.user, True)


def test_what_a_member_makes_by_a_key_is_theirs_to_change(acme: Project, adam: Membership) -> None:
    key = management_key(acme, adam.user)
    Membership.objects.filter(pk=adam.pk).update(role=Role.MEMBER)
    own = key.post(url(acme, "api-keys"), {"name": "own"}, format="json").json()["id"]
    others = make_key(acme).key.public_id

    assert key.delete(url(acme, f"api-keys/{own}")).status_code == 204
    assert key.delete(url(acme, f"api-keys/{others}")).status_code == 403


def test_who_leaves_takes_their_keys_along_unless_an_owner_answers_for_them(
    ada: User, acme: Project, adam: Membership
) -> None:
    bob = seat(acme, make_person("bob"), Role.MEMBER)
    mine, kept = inference_key(acme, adam.user), issue_key(project=acme, name="b", issuer=bob.user)

    session_of(adam.user).post(url(acme, "project/leave"))
    session_of(bob.user).post(url(acme, "project/leave?keys=keep"))

    mine.refresh_from_db()
    kept.key.refresh_from_db()
    assert mine.revoked_at is not None
    assert (kept.key.revoked_at, kept.key.issued_by) == (None, ada)


def disable(user: User, *, keeps_keys: bool = False) -> None:
    standing = accounts.Standing(user.name, is_active=False, is_staff=False, is_superuser=False)
    accounts.set_standing(user_id=user.pk, standing=standing, by=SYSTEM, keeps_keys=keeps_keys)


def test_disabled_person_has_authority_nowhere(acme: Project, adam: Membership) -> None:
    elsewhere = make_project("elsewhere", owner=adam.user)
    key = management_key(elsewhere, adam.user)
    serving = inference_key(acme, adam.user)
    invite(key, elsewhere)

    disable(adam.user)

    serving.refresh_from_db()
    assert live_keys() == set()
    assert not Invitation.objects.filter(revoked_at=None).exists()
    assert key.get(url(elsewhere, "members")).status_code == 401


def test_disabled_persons_keys_may_go_on_serving_but_never_manage(
    acme: Project, adam: Membership
) -> None:
    key = management_key(acme, adam.user)
    inference_key(acme, adam.user)

    disable(adam.user, keeps_keys=True)

    assert live_keys() == {"deploy", "serving"}
    assert key.get(url(acme, "members")).status_code == 401


@pytest.mark.parametrize("box", [{}, {"keeps_keys": "on"}])
def test_console_asks_what_becomes_of_the_keys_of_whom_it_disables(
    acme: Project, adam: Membership, box: dict[str, str]
) -> None:
    operator = make_person("operator", is_staff=True, is_superuser=True)
    give_totp(operator)
    console = Client()
    console.force_login(operator)
    inference_key(acme, adam.user)
    page = f"/admin/accounts/user/{adam.user.pk}/change/"

    assert "Keep the keys they made" in console.get(page).content.decode()
    console.post(page, {"name": "", **box})

    adam.user.refresh_from_db()
    assert not adam.user.is_active
    assert live_keys() == ({"serving"} if box else set())


@pytest.mark.parametrize("box", [{}, {"keep": "1"}])
def test_page_names_the_keys_that_end_and_offers_to_keep_them(
    ada: User, acme: Project, adam: Membership, box: dict[str, str]
) -> None:
    inference_key(acme, adam.user)
    page = Client()
    page.force_login(ada)
    prove(page, ada)
    way = f"/dashboard/{acme.public_id}/settings/members/{adam.public_id}/remove/"

    question = page.get(way).content.decode()
    page.post(way, box)

    assert "“serving”" in question
    assert 'name="keep"' in question
    assert live_keys() == ({"serving"} if box else set())
    assert not Membership.objects.filter(pk=adam.pk).exists()
