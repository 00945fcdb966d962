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


def wrong_password(address: str) -> bool:
    """Guess once; say whether the guess was weighed at all."""
    answer = sign_in(Client(REMOTE_ADDR=address), "ada@example.com", "wrong")
    return "not correct" in answer.content.decode()


def in_a_thread(address: str) -> bool:
    try:
        return wrong_password(address)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)  # Threads see what was committed.
def test_parallel_guesses_of_one_address_are_weighed_five_times_and_not_once_more() -> None:
    make_person("ada")

    with ThreadPoolExecutor(8) as crowd:
        weighed = list(crowd.map(in_a_thread, ["10.0.0.1"] * TRIES))

    assert 0 < sum(weighed) <= ALLOWED


@pytest.mark.django_db
def test_wrong_passwords_of_others_hold_up_nobody_who_knows_the_right_one(
    client: Client,
) -> None:
    ada = make_person("ada")
    operator = make_person("op", is_staff=True, is_superuser=True)
    for person in (ada, operator):
        for number in range(2 * ALLOWED):
            sign_in(Client(REMOTE_ADDR=f"127.0.0.{number + 2}"), person.email, "wrong")

    for person in (ada, operator):
        browser = Client(REMOTE_ADDR="127.0.0.100")
        sign_in(browser, person.email)
        assert is_signed_in(browser)


@pytest.mark.django_db
def test_whoever_guessed_is_slowed_even_with_the_right_password(client: Client) -> None:
    make_person("ada")
    for _ in range(ALLOWED):
        sign_in(client, "ada@example.com", "wrong")

    answer = sign_in(client, "ada@example.com")

    assert not is_signed_in(client)
    assert "Too many failed login attempts" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["2001:db8::%d", "127.0.0.2"])
def test_addresses_of_one_network_are_one_guesser(address: str) -> None:
    make_person("ada")
    for number in range(ALLOWED):
        where = address % number if "%" in address else address
        sign_in(Client(REMOTE_ADDR=where), "ada@example.com", "wrong")

    browser = Client(REMOTE_ADDR=address % 99 if "%" in address else address)
    sign_in(browser, "ada@example.com")

    assert not is_signed_in(browser)


@pytest.mark.django_db
def test_guesses_from_everywhere_are_bounded_and_a_known_browser_is_not_held_up() -> None:
    make_person("ada")
    known = Client(REMOTE_ADDR="127.0.0.2")
    sign_in(known, "ada@example.com")
    known.post("/auth/logout/")

    weighed = sum(wrong_password(f"10.0.{number}.1") for number in range(60))
    stranger = Client(REMOTE_ADDR="10.9.9.9")
    refused = sign_in(stranger, "ada@example.com").content.decode()
    sign_in(known, "ada@example.com")

    assert weighed == 50
    assert not is_signed_in(stranger)
    assert "reset the password" in refused
    assert is_signed_in(known)


@pytest.mark.django_db
def test_known_browser_is_known_for_its_own_account_only_and_cannot_be_made_up() -> None:
    make_person("ada")
    make_person("rex")
    browser = Client()
    sign_in(browser, "rex@example.com")
    browser.post("/auth/logout/")
    forged = Client()
    forged.cookies["device"] = "eyJhIjoiYiJ9:1tYx:AAAA"

    for one in (browser, forged):
        for _ in range(ALLOWED):
            sign_in(one, "ada@example.com", "wrong")

    # Each from its one address: the name in the cookie gave neither five tries more.
    assert not is_signed_in(browser)
    sign_in(forged, "ada@example.com")
    assert not is_signed_in(forged)


@pytest.mark.django_db
def test_new_password_by_letter_ends_the_wait_for_its_holder(client: Client) -> None:
    make_person("ada")
    for number in range(60):
        sign_in(Client(REMOTE_ADDR=f"10.0.{number}.1"), "ada@example.com", "wrong")
    client.post("/auth/password/reset/", {"email": "ada@example.com"})
    client.post("/auth/password/reset/confirm/", {"code": mailed_code()})
    new = "another-long-password"
    client.post("/auth/password/reset/complete/", {"password1": new, "password2": new})

    sign_in(client, "ada@example.com", new)

    assert is_signed_in(client)


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
