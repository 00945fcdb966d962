"""Keys by page: issued, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey
from dashboard.tests.cast import signed_in
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/keys/"


def test_secret_is_shown_once_and_never_again(page: Client, acme: Project, ada: User) -> None:
    answer = page.post(base(acme) + "new/", {"name": "ci", "scopes": ["inference"]})

    secret = answer.context["page"].secret
    key = ApiKey.objects.get()
    assert key.issued_by == ada
    assert secret.startswith("xero_acme_")
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    for path in (base(acme), base(acme) + "new/", f"/dashboard/{acme.public_id}/"):
        assert secret not in page.get(path).content.decode()


def test_secret_is_not_in_the_words_of_its_context(page: Client, acme: Project) -> None:
    answer = page.post(base(acme) + "new/", {"name": "ci", "scopes": ["inference"]})

    shown = answer.context["page"]
    assert shown.secret not in repr(shown)


def test_key_carries_what_was_asked(page: Client, acme: Project) -> None:
    make_endpoint(acme, "chat")

    page.post(
        base(acme) + "new/",
        {
            "name": "ci",
            "scopes": ["inference", "management"],
            "endpoint": "chat",
            "expires_at": (timezone.now() + timedelta(days=30)).date().isoformat(),
        },
    )

    key = ApiKey.objects.get()
    assert key.scopes == ["inference", "management"]
    assert key.endpoint is not None
    assert key.endpoint.slug == "chat"
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)


@pytest.mark.parametrize(
    ("changes", "field", "fault"),
    [
        pytest.param({"name": ""}, "name", "Give the key a name.", id="no name"),
        pytest.param({"scopes": []}, "scopes", "Choose at least one scope.", id="no scope"),
        pytest.param({"scopes": ["root"]}, "scopes", "Select a valid choice", id="unknown scope"),
        pytest.param({"name": "taken"}, "name", "already has a live key", id="name taken"),
        pytest.param(
            {"endpoint": "theirs"}, "endpoint", "has no endpoint “theirs”", id="foreign pin"
        ),
    ],
)
def test_refused_key_says_why_beside_the_field(
    page: Client,
    acme: Project,
    rival: Project,
    changes: dict[str, object],
    field: str,
    fault: str,
) -> None:
    make_key(acme, name="taken")
    make_endpoint(rival, "theirs")

    answer = page.post(base(acme) + "new/", {"name": "ci", "scopes": ["inference"], **changes})

    assert answer.status_code == 422
    assert fault in answer.context["page"].form.errors[field][0]
    assert ApiKey.objects.filter(project=acme).count() == 1


def test_revoked_key_stays_listed_behind_its_chip(page: Client, acme: Project) -> None:
    key = make_key(acme, name="ci").key

    asked = page.get(base(acme) + f"{key.public_id}/revoke/")
    key.refresh_from_db()
    revoked_by_asking = key.revoked_at
    done = page.post(base(acme) + f"{key.public_id}/revoke/", follow=True)

    key.refresh_from_db()
    ended = page.get(base(acme) + "?state=ended")
    assert (asked.status_code, revoked_by_asking) == (200, None)
    assert key.revoked_at is not None
    assert done.context["page"].keys == ()
    assert [(row.name, row.state.word) for row in ended.context["page"].keys] == [("ci", "revoked")]


def test_question_fits_a_dialog_when_htmx_asks(page: Client, acme: Project) -> None:
    key = make_key(acme, name="ci").key

    asked = page.get(base(acme) + f"{key.public_id}/revoke/", headers={"HX-Request": "true"})

    assert "<html" not in asked.content.decode()
    assert "Revoke key" in asked.content.decode()


def test_member_revokes_only_keys_of_their_own(acme: Project) -> None:
    member = make_user()
    seat(acme, member, Role.MEMBER)
    theirs = make_key(acme, name="theirs").key
    client = signed_in(member)
    client.post(base(acme) + "new/", {"name": "own", "scopes": ["inference"]})
    own = ApiKey.objects.get(name="own")

    refused = client.post(base(acme) + f"{theirs.public_id}/revoke/")
    allowed = client.post(base(acme) + f"{own.public_id}/revoke/")

    theirs.refresh_from_db()
    own.refresh_from_db()
    assert (refused.status_code, theirs.revoked_at) == (403, None)
    assert allowed.status_code == 302
    assert own.revoked_at is not None


def test_member_cannot_make_themselves_a_management_key(acme: Project) -> None:
    member = make_user()
    seat(acme, member, Role.MEMBER)

    answer = signed_in(member).post(
        base(acme) + "new/", {"name": "own", "scopes": ["inference", "management"]}
    )

    assert answer.status_code == 422
    assert "that needs admin or more" in answer.context["page"].form.errors["scopes"][0]
    assert not ApiKey.objects.exists()


def test_rival_cannot_revoke_a_key(acme: Project, rex: User, rival: Project) -> None:
    key = make_key(acme, name="ci").key

    through_ours = signed_in(rex).post(base(acme) + f"{key.public_id}/revoke/")
    through_theirs = signed_in(rex).post(base(rival) + f"{key.public_id}/revoke/")

    key.refresh_from_db()
    assert (through_ours.status_code, through_theirs.status_code) == (404, 404)
    assert key.revoked_at is None


def test_form_without_its_token_is_refused(ada: User, acme: Project) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)

    answer = strict.post(base(acme) + "new/", {"name": "ci", "scopes": ["inference"]})

    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_list_holds_only_ours(page: Client, acme: Project, rival: Project) -> None:
    make_key(acme, name="ours")
    make_key(rival, name="theirs")

    assert [row.name for row in page.get(base(acme)).context["page"].keys] == ["ours"]


def test_page_of_a_new_key_holds_it_ready_to_use(page: Client, acme: Project) -> None:
    make_endpoint(acme, "chat")

    answer = page.post(base(acme) + "new/", {"name": "ci", "scopes": ["inference"]})

    shown = answer.context["page"]
    base_url = f"{settings.PUBLIC_URL}/{acme.public_id}/chat/v1"
    assert shown.snippets[0].text == (f"OPENAI_BASE_URL={base_url}\nOPENAI_API_KEY={shown.secret}")
    assert all(shown.secret in snippet.text for snippet in shown.snippets)
    assert shown.run.path == f"/{acme.public_id}/chat/v1/chat/completions"
    assert shown.secret not in repr(shown)


def test_key_is_born_with_its_rules_and_quota(page: Client, acme: Project) -> None:
    said = {"allow": "10.0.0.0/8", "block": "10.0.0.9", "requests": "1,000", "window_s": "3600"}

    page.post(base(acme) + "new/", {"name": "ci", "scopes": ["inference"], **said})

    key = ApiKey.objects.get()
    assert (key.ip_allow, key.ip_block) == (["10.0.0.0/8"], ["10.0.0.9"])
    assert (key.quota_requests, key.quota_window_s) == (1000, 3600)


def test_scopes_that_open_nothing_are_not_offered(page: Client, acme: Project) -> None:
    shown = page.get(base(acme) + "new/").content.decode()

    assert "execution" not in shown
    assert "research" not in shown
