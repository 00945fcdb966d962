"""Limits hold when many try at once, and nobody takes over an account by its address."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.tests.people import (
    give_totp,
    is_signed_in,
    mailed_code,
    make_person,
    sign_in,
)
from tests.make import PASSWORD

REAUTHENTICATE, EMAIL = "/auth/reauthenticate/", "/auth/email/"
VERIFY = "/auth/confirm-email/"
ALLOWED, TRIES = 5, 24


def wrong_password(number: int) -> bool:
    """Guess once; say whether the guess was weighed at all."""
    try:
        answer = sign_in(Client(REMOTE_ADDR=f"10.0.{number}.1"), "ada@example.com", "wrong")
        return "not correct" in answer.content.decode()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)  # Threads see what was committed.
def test_parallel_guesses_are_weighed_five_times_and_not_once_more() -> None:
    make_person("ada")

    with ThreadPoolExecutor(8) as crowd:
        weighed = list(crowd.map(wrong_password, range(TRIES)))

    assert sum(weighed) <= ALLOWED
    assert sum(weighed) > 0


@pytest.mark.django_db
def test_guessing_at_one_person_locks_out_nobody_else(client: Client) -> None:
    make_person("ada")
    rex = make_person("rex")
    for _ in range(ALLOWED + 1):
        sign_in(Client(), "ada@example.com", "wrong")

    sign_in(client, rex.email)

    assert is_signed_in(client)


@pytest.mark.django_db
def test_address_changes_only_once_the_new_one_is_proven(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    client.post(REAUTHENTICATE, {"password": PASSWORD})

    client.post(EMAIL, {"action_add": "", "email": "new@example.com"})
    before = User.objects.get().email
    client.post(VERIFY, {"code": mailed_code()})

    assert before == "ada@example.com"
    assert User.objects.get().email == "new@example.com"
    assert list(EmailAddress.objects.values_list("email", "verified")) == [
        ("new@example.com", True)
    ]
    told = {recipient for letter in mail.outbox for recipient in letter.to}
    assert told == {"ada@example.com", "new@example.com"}


@pytest.mark.django_db
def test_address_is_not_changed_by_whoever_finds_the_browser_open(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)

    answer = client.post(EMAIL, {"action_add": "", "email": "thief@example.com"})

    assert answer.headers["Location"].startswith(REAUTHENTICATE)
    assert mail.outbox == []
    assert EmailAddress.objects.get().email == ada.email


@pytest.mark.django_db
def test_address_of_somebody_else_is_not_taken_over(client: Client) -> None:
    operator = make_person("op", is_staff=True, is_superuser=True)
    ada = make_person("ada")
    sign_in(client, ada.email)
    client.post(REAUTHENTICATE, {"password": PASSWORD})

    client.post(EMAIL, {"action_add": "", "email": operator.email})
    client.post(EMAIL, {"action_add": "", "email": operator.email.upper()})
    client.post(VERIFY, {"code": "XXXX-XXXX"})

    assert User.objects.get(pk=ada.pk).email == ada.email
    assert EmailAddress.objects.get(email__iexact=operator.email).user == operator
    assert not User.objects.get(pk=ada.pk).is_staff


@pytest.mark.django_db
def test_new_address_does_not_shake_off_the_second_factor(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    client.post(REAUTHENTICATE, {"password": PASSWORD})
    give_totp(ada)
    client.post(EMAIL, {"action_add": "", "email": "new@example.com"})
    client.post(VERIFY, {"code": mailed_code()})
    anew = Client()

    sign_in(anew, "new@example.com")

    assert not is_signed_in(anew)
