"""Signing in through others, against a real authorization server: whom they may speak for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.tests.people import (
    code_now,
    give_totp,
    is_signed_in,
    mailed_code,
    make_person,
    register,
    sign_in,
)
from tests.idp.server import Provider
from tests.idp.trusted import GITHUB, SSO, trusted
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize(
    "door", [pytest.param(GITHUB, id="GitHub"), pytest.param(SSO, id="OpenID Connect")]
)


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with trusted(settings) as found:
        yield found


def leave(client: Client, door: str, **query: str) -> str:
    """Press the provider's button; return the address it leads to."""
    answer = client.post(door, query_params=query)
    url: str = answer.context["url"]
    return url


def consent(url: str) -> str:
    """Say yes over there; return where the provider sends the person back to."""
    back = httpx2.get(url, follow_redirects=False, trust_env=False).headers["Location"]
    parts = urlsplit(back)
    return f"{parts.path}?{parts.query}"


def enter(client: Client, door: str, **query: str) -> Any:
    """Go there and come back."""
    return client.get(consent(leave(client, door, **query)))


@BOTH
def test_newcomer_with_a_verified_address_is_let_in_at_once(
    client: Client, provider: Provider, door: str
) -> None:
    answer = enter(client, door)

    person = User.objects.get()
    assert answer.headers["Location"] == "/dashboard/"
    assert is_signed_in(client)
    assert (person.email, person.name) == ("ada@example.com", "Ada Lovelace")
    assert EmailAddress.objects.get().verified
    assert not person.has_usable_password()
    assert not SocialToken.objects.exists()
    assert provider.refused == []


@BOTH
@pytest.mark.parametrize("said", [False, "false", None, "", 0, "no"])
def test_newcomer_with_an_unverified_address_has_to_prove_it(
    client: Client, provider: Provider, door: str, said: object
) -> None:
    provider.face.verified = said

    enter(client, door)

    assert not is_signed_in(client)
    client.post("/auth/confirm-email/", {"code": mailed_code()})
    assert is_signed_in(client)


@BOTH
def test_known_person_comes_back_as_themselves(
    client: Client, provider: Provider, door: str
) -> None:
    enter(Client(), door)
    provider.face.email = "moved@example.com"

    enter(client, door)

    assert User.objects.get().email == "ada@example.com"
    assert is_signed_in(client)


@BOTH
def test_provider_cannot_speak_for_an_account_that_was_here_before(
    client: Client, provider: Provider, door: str
) -> None:
    ada = make_person("ada")

    enter(client, door)

    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()
    assert [letter.to for letter in mail.outbox] == [[ada.email]]
    assert ada.check_password(PASSWORD)


@BOTH
def test_account_taken_in_advance_is_worth_nothing_to_the_taker(
    provider: Provider, door: str
) -> None:
    taker, ada = Client(), Client()
    register(taker, "ada@example.com", "the-password-of-a-taker")

    enter(ada, door)
    ada.post("/auth/password/reset/", {"email": "ada@example.com"})
    ada.post("/auth/password/reset/confirm/", {"code": mailed_code()})
    new = {"password1": PASSWORD, "password2": PASSWORD}
    ada.post("/auth/password/reset/complete/", new)

    sign_in(taker, "ada@example.com", "the-password-of-a-taker")
    assert not is_signed_in(taker)
    sign_in(ada, "ada@example.com")
    assert is_signed_in(ada)
    assert User.objects.count() == 1


@BOTH
def test_account_is_linked_after_the_password_is_said_again(
    client: Client, provider: Provider, door: str
) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)

    asked = enter(client, door, process="connect")
    before = SocialAccount.objects.count()
    client.post(asked.headers["Location"], {"password": PASSWORD})

    assert (asked.headers["Location"], before) == ("/auth/reauthenticate/", 0)
    assert SocialAccount.objects.get().user == ada
    newly = Client()
    enter(newly, door)
    assert is_signed_in(newly)


@BOTH
def test_account_without_a_verified_address_is_not_linked(
    client: Client, provider: Provider, door: str
) -> None:
    sign_in(client, make_person("ada").email)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})
    provider.face.verified = False

    answer = enter(client, door, process="connect")

    assert answer.headers["Location"] == "/auth/3rdparty/"
    assert not SocialAccount.objects.exists()


def test_account_linked_to_one_person_is_not_linked_to_another(
    client: Client, provider: Provider
) -> None:
    enter(Client(), GITHUB)
    sign_in(client, make_person("rex").email)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})

    enter(client, GITHUB, process="connect")

    assert SocialAccount.objects.get().user.email == "ada@example.com"


def test_linked_account_is_unlinked_but_not_the_last_way_in(
    client: Client, provider: Provider
) -> None:
    enter(client, GITHUB)
    account = SocialAccount.objects.get()

    client.post("/auth/3rdparty/", {"account": account.pk})
    kept = SocialAccount.objects.exists()
    client.post("/auth/password/set/", {"password1": PASSWORD, "password2": PASSWORD})
    client.post("/auth/reauthenticate/", {"password": PASSWORD})
    client.post("/auth/3rdparty/", {"account": account.pk})

    assert kept
    assert not SocialAccount.objects.exists()


def test_second_factor_is_asked_for_whoever_vouches(client: Client, provider: Provider) -> None:
    enter(Client(), GITHUB)
    give_totp(User.objects.get())

    enter(client, GITHUB)
    assert not is_signed_in(client)
    client.post("/auth/2fa/authenticate/", {"code": code_now()})

    assert is_signed_in(client)


@BOTH
def test_answer_meant_for_one_browser_is_refused_in_another(
    client: Client, provider: Provider, door: str
) -> None:
    back = consent(leave(Client(), door))

    answer = client.get(back)

    assert not is_signed_in(client)
    assert "Location" not in answer.headers
    assert not User.objects.exists()


@BOTH
def test_answer_works_once(client: Client, provider: Provider, door: str) -> None:
    back = consent(leave(client, door))
    client.get(back)
    client.post("/auth/logout/")

    client.get(back)

    assert not is_signed_in(client)


def test_answer_of_one_provider_is_refused_by_the_other(client: Client, provider: Provider) -> None:
    back = consent(leave(client, GITHUB))

    client.get(back.replace("/github/", "/oidc/sso/"))

    assert not is_signed_in(client)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": "another-client"}, id="for another client"),
        pytest.param({"iss": "https://evil.example"}, id="of another issuer"),
        pytest.param({"exp": 1}, id="long over"),
    ],
)
def test_id_token_that_is_not_for_us_is_refused(
    client: Client, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims

    enter(client, SSO)

    assert not is_signed_in(client)
    assert not User.objects.exists()


@BOTH
def test_wrong_client_secret_lets_nobody_in(
    client: Client, provider: Provider, door: str, settings: Settings
) -> None:
    for said in settings.SOCIALACCOUNT_PROVIDERS.values():
        said["APPS"][0]["secret"] = "wrong"

    enter(client, door)

    assert provider.refused == ["token"]
    assert not User.objects.exists()


def test_provider_is_left_for_by_a_page_so_that_forms_stay_at_home(
    client: Client, provider: Provider
) -> None:
    answer = client.post(GITHUB)

    assert answer.status_code == 200
    assert f'content="0; url={provider.url}/login/oauth/authorize?' in answer.content.decode()
    assert "form-action 'self';" in answer.headers["Content-Security-Policy"] + ";"


def test_provider_is_not_left_for_by_a_mere_link(client: Client, provider: Provider) -> None:
    answer = client.get(GITHUB)

    assert answer.status_code == 200
    assert provider.url not in answer.content.decode()
