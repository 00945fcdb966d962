"""A project's settings by page: its second factor, its end, its return; and proof before them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.tests.people import give_totp
from apikeys.models import ApiKey
from dashboard.tests.cast import signed_in
from projects.models import Membership, Project
from projects.rules import Role
from tests.make import PASSWORD, make_user, seat

LONG_AGO_S = 3600


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/settings/"


def delete_after(project: Project) -> object:
    project.refresh_from_db()
    return project.delete_after


def test_deleting_asks_for_the_slug(page: Client, acme: Project) -> None:
    asked = page.get(base(acme) + "delete/")
    mistyped = page.post(base(acme) + "delete/", {"confirmation": "acm"})

    assert "Type <code>acme</code> to confirm" in asked.content.decode()
    assert mistyped.status_code == 422
    assert "Type acme exactly." in mistyped.content.decode()
    assert delete_after(acme) is None


def test_marked_project_says_when_it_ends_shows_itself_and_comes_back(
    page: Client, acme: Project
) -> None:
    answer = page.post(base(acme) + "delete/", {"confirmation": "acme"}, follow=True)

    ends_at = answer.context["page"].shell.delete_after
    assert ends_at is not None
    assert 6 <= (ends_at - timezone.now()).days <= 7
    assert f'<time datetime="{ends_at:%Y-%m-%dT%H:%M:%S}' in answer.content.decode()
    assert page.post(base(acme), {"name": "Other"}).status_code == 409
    assert page.get(f"/dashboard/{acme.public_id}/keys/new/").status_code == 409
    back = page.post(base(acme) + "restore/", follow=True)
    assert "The project is restored" in back.content.decode()
    assert delete_after(acme) is None


def test_only_the_owner_ends_a_project_or_brings_it_back(page: Client, acme: Project) -> None:
    admin = make_user("eve")
    seat(acme, admin, Role.ADMIN)
    client = signed_in(admin)

    ended = client.post(base(acme) + "delete/", {"confirmation": "acme"})
    first = delete_after(acme)
    page.post(base(acme) + "delete/", {"confirmation": "acme"})
    restored = client.post(base(acme) + "restore/")

    assert (ended.status_code, first) == (403, None)
    assert restored.status_code == 403
    assert delete_after(acme) is not None


def test_second_factor_is_asked_of_all_only_by_an_owner_who_has_one(
    page: Client, ada: User, acme: Project
) -> None:
    early = page.post(base(acme) + "second-factor/", {"required": "1"}, follow=True)
    acme.refresh_from_db()
    was_required = acme.requires_second_factor
    give_totp(ada)
    page.post(base(acme) + "second-factor/", {"required": "1"})

    acme.refresh_from_db()
    assert "Set up a second factor yourself" in early.content.decode()
    assert (was_required, acme.requires_second_factor) == (False, True)


def test_member_without_a_factor_is_sent_to_set_one_up(acme: Project) -> None:
    bob = make_user("bob")
    seat(acme, bob, Role.MEMBER)
    Project.objects.filter(pk=acme.pk).update(requires_second_factor=True)

    answer = signed_in(bob).get(base(acme))

    assert answer.status_code == 403
    assert "/auth/2fa/" in answer.content.decode()


@pytest.mark.parametrize("proven_s_ago", [None, LONG_AGO_S])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("settings/delete/", {"confirmation": "acme"}, id="delete"),
        pytest.param("settings/transfer/", {"member": "{bob}"}, id="hand over"),
        pytest.param("settings/second-factor/", {"required": "0"}, id="factor off"),
        pytest.param("keys/new/", {"name": "ci", "scopes": ["inference"]}, id="issue"),
    ],
)
def test_sensitive_act_waits_for_a_proof_of_who_it_is(
    ada: User, acme: Project, path: str, said: dict[str, str], proven_s_ago: float | None
) -> None:
    bob = seat(acme, make_user("bob"), Role.MEMBER)
    client = signed_in(ada, proven_s_ago=proven_s_ago)
    Project.objects.filter(pk=acme.pk).update(requires_second_factor=path.endswith("factor/"))
    if path.endswith("factor/"):
        give_totp(ada)
    url = f"/dashboard/{acme.public_id}/{path}"

    sent = {key: bob.public_id if value == "{bob}" else value for key, value in said.items()}
    answer = client.post(url, sent)

    acme.refresh_from_db()
    bob.refresh_from_db()
    assert answer.status_code == 302
    assert answer["Location"].startswith("/auth/reauthenticate/?next=%2Fdashboard%2F")
    assert acme.delete_after is None
    assert bob.role == Role.MEMBER
    assert acme.requires_second_factor == path.endswith("factor/")
    assert not ApiKey.objects.exists()


def test_act_is_carried_out_after_the_proof_and_says_before_what_it_is(
    ada: User, acme: Project
) -> None:
    client = signed_in(ada, proven_s_ago=None)
    url = f"/dashboard/{acme.public_id}/keys/new/"

    way = client.post(url, {"name": "ci", "scopes": ["inference", "management"]})
    asked = client.get(way["Location"]).content.decode()
    proven = client.post(way["Location"], {"password": PASSWORD})
    waiting = client.get(proven["Location"]).context["page"]
    before = ApiKey.objects.count()
    done = client.post(waiting.action, {"name": "ci", "scopes": ["inference", "management"]})

    assert "To create the key “ci”" in asked
    assert f'href="{url}"' in asked
    assert (waiting.action, before) == (url, 0)
    assert waiting.said == (("name", "ci"), ("scopes", "inference"), ("scopes", "management"))
    assert done.context["page"].secret.startswith("xero_acme_")
    assert client.get(proven["Location"])["Location"] == "/dashboard/"


def test_what_was_typed_on_one_page_is_not_shown_on_another(
    ada: User, acme: Project, rival: Project
) -> None:
    seat(rival, ada, Role.OWNER)
    client = signed_in(ada, proven_s_ago=None)
    client.post(f"/dashboard/{acme.public_id}/keys/new/", {"name": "ci", "scopes": ["inference"]})

    form = client.get(f"/dashboard/{rival.public_id}/keys/new/").context["page"].form

    assert form["name"].value() is None


def test_whoever_has_nothing_to_prove_it_with_is_let_through(ada: User, acme: Project) -> None:
    ada.set_unusable_password()
    ada.save()
    client = signed_in(ada, proven_s_ago=None)

    client.post(base(acme) + "delete/", {"confirmation": "acme"})

    assert delete_after(acme) is not None
    assert Membership.objects.filter(project=acme).exists()
