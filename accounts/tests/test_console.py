"""What operators do to people and providers: audited, and no way to lock everyone out."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialApp
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import User
from accounts.tests.people import give_totp, make_person, sign_in
from accounts.tests.test_providers import enter
from audit.models import AuditEntry
from common import vault
from tests.idp.server import CLIENT, SECRET, running

pytestmark = pytest.mark.django_db

PROVIDERS = "/admin/socialaccount/socialapp/"


@pytest.fixture
def operator() -> User:
    made = make_person("operator", is_staff=True, is_superuser=True)
    give_totp(made)
    return made


@pytest.fixture
def as_operator(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def said_of(user: User, **changed: Any) -> dict[str, Any]:
    said = {
        "name": user.name,
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "is_superuser": user.is_superuser,
    } | changed
    return {name: value for name, value in said.items() if value is not False}


def page_of(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def provider(**changed: str) -> dict[str, str]:
    said = {
        "provider": "openid_connect",
        "name": "Work",
        "provider_id": "work",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "url": "https://id.example",
    }
    return said | changed


def newest() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def test_operator_disables_a_person_whose_sessions_end_at_once(
    as_operator: Client, operator: User
) -> None:
    ada, browser = make_person("ada"), Client()
    sign_in(browser, ada.email)

    as_operator.post(page_of(ada), said_of(ada, is_active=False))

    assert browser.get("/auth/sessions/").status_code == 302
    entry = newest()
    assert (entry.action, entry.actor_name) == ("person.changed", operator.email)
    assert (entry.before, entry.after) == ({"is_active": True}, {"is_active": False})


def test_address_and_password_are_not_the_operators_to_change(as_operator: Client) -> None:
    ada = make_person("ada")

    as_operator.post(page_of(ada), said_of(ada, email="mine@example.com", password="x"))

    changed = User.objects.get(pk=ada.pk)
    assert (changed.email, changed.password) == (ada.email, ada.password)


def test_last_operator_stays_one(as_operator: Client, operator: User) -> None:
    page = as_operator.post(page_of(operator), said_of(operator, is_superuser=False), follow=True)

    assert "last operator" in page.content.decode()
    assert User.objects.get(pk=operator.pk).is_superuser
    assert not AuditEntry.objects.exists()


def test_second_operator_may_go(as_operator: Client) -> None:
    other = make_person("other", is_staff=True, is_superuser=True)

    as_operator.post(page_of(other), said_of(other, is_staff=False, is_superuser=False))

    assert not User.objects.get(pk=other.pk).is_staff


@pytest.mark.parametrize("action", ["sign_out", "remove_factors"])
def test_operator_signs_a_person_out_or_takes_lost_factors_away(
    as_operator: Client, action: str
) -> None:
    ada, browser = make_person("ada"), Client()
    sign_in(browser, ada.email)
    give_totp(ada)

    as_operator.post(
        reverse("admin:accounts_user_changelist"), {"action": action, "_selected_action": [ada.pk]}
    )

    assert browser.get("/auth/sessions/").status_code == 302
    kept = Authenticator.objects.filter(user=ada).count()
    assert kept == (2 if action == "sign_out" else 0)
    assert newest().object_id == str(ada.pk)


def test_client_secret_goes_in_sealed_and_never_comes_out(as_operator: Client) -> None:
    as_operator.post(f"{PROVIDERS}add/", provider())

    app = SocialApp.objects.get()
    page = as_operator.get(f"{PROVIDERS}{app.pk}/change/").content.decode()
    assert app.secret == ""
    assert vault.unseal(app.settings[services.SEALED]) == SECRET
    assert SECRET not in page
    assert app.settings[services.SEALED] not in page
    assert SECRET not in str(newest().after)
    assert newest().action == "provider.saved"


def test_empty_secret_keeps_the_present_one(as_operator: Client) -> None:
    as_operator.post(f"{PROVIDERS}add/", provider())
    app = SocialApp.objects.get()

    as_operator.post(f"{PROVIDERS}{app.pk}/change/", provider(client_secret="", name="New"))

    app.refresh_from_db()
    assert app.name == "New"
    assert vault.unseal(app.settings[services.SEALED]) == SECRET


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"client_secret": ""}, id="no secret"),
        pytest.param({"url": ""}, id="no address"),
        pytest.param({"provider_id": ""}, id="no short name"),
        pytest.param({"provider": "saml"}, id="a kind we do not have"),
        pytest.param({"url": "javascript:alert(1)"}, id="no address at all"),
    ],
)
def test_half_a_provider_is_refused(as_operator: Client, wrong: dict[str, str]) -> None:
    answer = as_operator.post(f"{PROVIDERS}add/", provider(**wrong))

    assert answer.status_code == 200
    assert not SocialApp.objects.exists()


def test_second_provider_of_one_name_is_refused(as_operator: Client) -> None:
    as_operator.post(f"{PROVIDERS}add/", provider())
    as_operator.post(f"{PROVIDERS}add/", provider())

    assert SocialApp.objects.count() == 1


def test_removed_provider_is_on_record(as_operator: Client) -> None:
    as_operator.post(f"{PROVIDERS}add/", provider())
    app = SocialApp.objects.get()

    as_operator.post(f"{PROVIDERS}{app.pk}/delete/", {"post": "yes"})

    assert not SocialApp.objects.exists()
    assert (newest().action, newest().before["client_id"]) == ("provider.removed", CLIENT)


@pytest.mark.parametrize(
    ("kind", "name", "door"),
    [
        pytest.param("github", "", "/auth/github/login/", id="GitHub Enterprise"),
        pytest.param("openid_connect", "work", "/auth/oidc/work/login/", id="OpenID Connect"),
    ],
)
def test_provider_set_up_in_the_console_lets_people_in(
    as_operator: Client, kind: str, name: str, door: str
) -> None:
    with running(f"{door}callback/") as server:
        as_operator.post(
            f"{PROVIDERS}add/", provider(provider=kind, provider_id=name, url=server.url)
        )
        browser = Client()
        enter(browser, door)

        assert browser.get("/auth/sessions/").status_code == 200
        assert User.objects.filter(email="ada@example.com").exists()
        assert server.refused == []


def test_environment_wins_over_the_console(as_operator: Client, settings: Any) -> None:
    said = dict(settings.SOCIALACCOUNT_PROVIDERS)
    app = {"client_id": CLIENT, "secret": SECRET}
    with running("/auth/github/login/callback/") as server:
        app["settings"] = {"github_url": server.url}  # type: ignore[assignment] # why: JSON
        said["github"] = {**said["github"], "APPS": [app]}
        settings.SOCIALACCOUNT_PROVIDERS = said
        wrong = provider(provider="github", provider_id="", url="http://127.0.0.1:9")
        as_operator.post(f"{PROVIDERS}add/", wrong)
        browser = Client()
        enter(browser, "/auth/github/login/")

        assert browser.get("/auth/sessions/").status_code == 200
