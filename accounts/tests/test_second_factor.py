"""Second factors: sealed at rest, used once, asked for where they must be."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.conf import settings
from django.core import mail
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.tests.people import (
    SEED,
    code_now,
    forget_limits,
    give_totp,
    is_signed_in,
    make_person,
    sign_in,
)
from common import vault
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db

ACTIVATE, ASK = "/auth/2fa/totp/activate/", "/auth/2fa/authenticate/"
REAUTHENTICATE = "/auth/reauthenticate/"


def stored_factors() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(data::text, ' ') FROM mfa_authenticator")
        return str(cursor.fetchone()[0])


def test_seeds_are_sealed_at_rest() -> None:
    ada = make_person("ada")
    give_totp(ada)
    codes = Authenticator.objects.get(type="recovery_codes").wrap()

    rows = stored_factors()

    assert SEED not in rows
    assert vault.unseal(codes.instance.data["seed"]) not in rows
    assert vault.unseal(Authenticator.objects.get(type="totp").data["secret"]) == SEED


def test_seed_outlives_the_key_that_sealed_it(settings: Settings) -> None:
    give_totp(make_person("ada"))

    settings.KEYRING = ["bmV3LWtleS1pbi1mcm9udC1vZi10aGUtb2xkLW9uZSE=", *settings.KEYRING]

    assert Authenticator.objects.get(type="totp").wrap().validate_code(code_now())


@pytest.mark.django_db(transaction=True)  # The letter goes out after the commit.
def test_app_is_set_up_only_after_the_password_is_said_again(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)

    asked = client.get(ACTIVATE)
    client.post(REAUTHENTICATE, {"password": PASSWORD})
    seed = client.get(ACTIVATE).context["form"].secret
    client.post(ACTIVATE, {"code": code_now(seed)})

    assert asked.headers["Location"].startswith(REAUTHENTICATE)
    assert Authenticator.objects.filter(user=ada, type="totp").exists()
    assert Authenticator.objects.filter(user=ada, type="recovery_codes").exists()
    assert mail.outbox[-1].to == [ada.email]


def test_password_alone_does_not_let_in_whoever_has_a_second_factor(client: Client) -> None:
    ada = make_person("ada")
    give_totp(ada)

    sign_in(client, ada.email)
    assert not is_signed_in(client)
    client.post(ASK, {"code": code_now()})

    assert is_signed_in(client)


def test_code_of_the_app_works_once() -> None:
    ada = make_person("ada")
    give_totp(ada)
    first, second, code = Client(), Client(), code_now()

    for client in (first, second):
        sign_in(client, ada.email)
        client.post(ASK, {"code": code})

    assert is_signed_in(first)
    assert not is_signed_in(second)


def test_recovery_code_works_once() -> None:
    ada = make_person("ada")
    give_totp(ada)
    code = RecoveryCodes.activate(ada).get_unused_codes()[0]
    first, second = Client(), Client()

    for client in (first, second):
        sign_in(client, ada.email)
        client.post(ASK, {"code": code})

    assert is_signed_in(first)
    assert not is_signed_in(second)


def test_sixth_guess_of_a_code_meets_the_limit_even_if_right() -> None:
    ada = make_person("ada")
    give_totp(ada)
    guesser = Client()
    sign_in(guesser, ada.email)

    for _ in range(5):
        guesser.post(ASK, {"code": "000000"})
    guesser.post(ASK, {"code": code_now()})

    assert not is_signed_in(guesser)


def test_second_factor_of_one_person_does_not_carry_over_to_the_next() -> None:
    ada, rex, browser = make_person("ada"), make_person("rex"), Client()
    give_totp(ada)
    give_totp(rex)
    sign_in(browser, ada.email)
    browser.post(ASK, {"code": code_now()})
    browser.post("/auth/logout/")
    forget_limits()

    sign_in(browser, rex.email)

    assert not is_signed_in(browser)


@pytest.mark.parametrize("path", ["/auth/2fa/", "/auth/email/", "/auth/logout/"])
def test_where_all_need_a_factor_the_pages_to_get_one_stay_open(
    client: Client, settings: Settings, path: str
) -> None:
    settings.REQUIRE_2FA = True
    sign_in(client, make_person("ada").email)

    assert client.get(path).status_code == 200


def test_where_all_need_a_factor_other_pages_lead_there(client: Client, settings: Settings) -> None:
    settings.REQUIRE_2FA = True
    ada = make_person("ada")
    sign_in(client, ada.email)

    refused = client.get("/admin/")
    interface = client.get("/proj_x/v1/management/endpoints/")
    give_totp(ada)
    admitted = client.get("/admin/")

    assert refused.headers["Location"] == "/auth/2fa/"
    assert (interface.status_code, interface.json()["error"]["code"]) == (
        403,
        "second_factor_required",
    )
    assert admitted.headers["Location"].startswith("/admin/login/")


def test_operator_without_a_factor_is_sent_to_set_one_up(client: Client) -> None:
    operator = make_person("op", is_staff=True, is_superuser=True)
    sign_in(client, operator.email)

    refused = client.get("/admin/")
    give_totp(operator)
    admitted = client.get("/admin/")

    assert settings.REQUIRE_STAFF_2FA
    assert refused.headers["Location"] == "/auth/2fa/"
    assert admitted.status_code == 200


def test_console_has_no_door_of_its_own(client: Client) -> None:
    operator = make_person("op", is_staff=True, is_superuser=True)

    answer = client.post("/admin/login/", {"username": operator.email, "password": PASSWORD})

    assert answer.headers["Location"].startswith("/auth/login?next=")
    assert not is_signed_in(client)


def test_operator_changes_the_password_where_everyone_does(client: Client) -> None:
    operator = make_person("op", is_staff=True, is_superuser=True)
    give_totp(operator)
    client.force_login(operator)

    answer = client.post("/admin/password_change/", {"old_password": PASSWORD})

    assert answer.headers["Location"] == "/auth/password/change/"


def test_person_who_is_no_operator_gets_403_from_the_console(client: Client) -> None:
    sign_in(client, make_person("ada").email)

    assert client.get("/admin/login/").status_code == 403
