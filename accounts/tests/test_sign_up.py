"""Registering: the address is proven by a code, and nobody learns who else is here."""

from __future__ import annotations

import time

import pytest
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.people import (
    is_signed_in,
    mailed_code,
    make_person,
    register,
    sign_in,
)

pytestmark = pytest.mark.django_db

VERIFY = "/auth/confirm-email/"


def test_sign_up_and_sign_in_have_the_addresses_we_promise() -> None:
    assert reverse("account_signup") == "/auth/register"
    assert reverse("account_login") == "/auth/login"
    assert reverse("account_signup_by_passkey") == "/auth/register/passkey"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("/auth/login/?next=/x/", "/auth/login?next=/x/", id="login"),
        pytest.param("/auth/signup/", "/auth/register", id="signup"),
        pytest.param("/auth/register/", "/auth/register", id="register with a slash"),
        pytest.param("/auth/", "/auth/login", id="the folder itself"),
    ],
)
def test_other_spellings_lead_there(client: Client, old: str, new: str) -> None:
    assert client.get(old).headers["Location"] == new


def test_person_is_let_in_once_the_mailed_code_is_typed(client: Client) -> None:
    register(client, "ada@example.com")
    assert not is_signed_in(client)

    client.post(VERIFY, {"code": mailed_code()})

    assert is_signed_in(client)
    assert EmailAddress.objects.get().verified
    assert User.objects.get().email == "ada@example.com"


def test_registering_is_a_proof_of_who_somebody_is(client: Client) -> None:
    register(client, "ada@example.com")
    client.post(VERIFY, {"code": mailed_code()})

    (record,) = get_authentication_records(client, User.objects.get())
    assert record["method"] == "signup"
    assert time.time() - record["at"] < 60


def test_third_wrong_code_ends_the_attempt(client: Client) -> None:
    register(client, "ada@example.com")
    code = mailed_code()

    for _ in range(3):
        client.post(VERIFY, {"code": "XXXX-XXXX"})
    client.post(VERIFY, {"code": code})

    assert not is_signed_in(client)
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_person_without_the_code_is_not_let_in_by_the_password(client: Client) -> None:
    register(client, "ada@example.com")

    sign_in(Client(), "ada@example.com")

    assert not is_signed_in(client)


def test_taken_address_gets_the_answer_a_free_one_gets(client: Client) -> None:
    make_person("ada")

    free, taken = register(Client(), "new@example.com"), register(client, "ada@example.com")

    assert (free.status_code, free.headers["Location"]) == (
        taken.status_code,
        taken.headers["Location"],
    )
    assert [letter.to for letter in mail.outbox] == [["new@example.com"], ["ada@example.com"]]
    assert "already" in mail.outbox[1].body
    assert User.objects.filter(email="ada@example.com").count() == 1


def test_same_address_in_other_letters_is_the_same_person(client: Client) -> None:
    make_person("ada")

    register(client, "ADA@Example.com")

    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["short", "password1234", "ada@example.com"])
def test_poor_password_makes_no_account(client: Client, password: str) -> None:
    answer = register(client, "ada@example.com", password)

    assert answer.status_code == 200
    assert not User.objects.exists()
    assert not mail.outbox


def test_sign_up_cannot_make_an_operator(client: Client) -> None:
    client.post(
        "/auth/register",
        {
            "email": "ada@example.com",
            "password1": "a-long-enough-password",
            "is_staff": "on",
            "is_superuser": "on",
            "is_active": "on",
        },
    )

    person = User.objects.get()
    assert (person.is_staff, person.is_superuser) == (False, False)
