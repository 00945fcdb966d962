"""A browser is known by what we signed; a mailbox by its holder; a token by its checksum."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts import departures, devices, tokens
from accounts.errors import OperatorTokenRefused
from accounts.letters import mailbox_of
from accounts.models import User
from common.actor import SYSTEM


def browser(response: HttpResponse | None = None) -> HttpRequest:
    request = RequestFactory().get("/")
    if response is not None:
        request.COOKIES[devices.COOKIE] = response.cookies[devices.COOKIE].value
    return request


def opened(*emails: str) -> HttpRequest:
    """Return a browser in which these accounts were opened, one after the other."""
    request = browser()
    for email in emails:
        response = HttpResponse()
        devices.remember(request, response, email)
        request = browser(response)
    return request


def test_browser_nobody_signed_in_with_has_no_name() -> None:
    assert devices.name_of(browser(), "ada@example.com") is None


def test_browser_has_a_name_for_each_account_that_was_opened_in_it() -> None:
    request = opened("ada@example.com", "rex@example.com")

    names = [devices.name_of(request, f"{who}@example.com") for who in ("ada", "rex", "eve")]

    assert all(names[:2])
    assert names[0] != names[1]
    assert names[2] is None
    assert devices.name_of(request, " ADA@Example.com ") == names[0]


def test_name_stays_when_the_account_is_opened_again() -> None:
    request = opened("ada@example.com")
    name = devices.name_of(request, "ada@example.com")
    response = HttpResponse()

    devices.remember(request, response, "ada@example.com")

    assert devices.name_of(browser(response), "ada@example.com") == name


def test_browser_remembers_the_last_five_accounts() -> None:
    people = [f"user{number}@example.com" for number in range(7)]
    request = opened(*people, people[2])

    known = [person for person in people if devices.name_of(request, person)]

    assert known == people[2:]


def test_cookie_says_nothing_of_whose_the_accounts_are_and_no_script_reads_it() -> None:
    response = HttpResponse()
    devices.remember(browser(), response, "ada@example.com")
    cookie = response.cookies[devices.COOKIE]

    said = signing.loads(cookie.value, salt=devices.SALT)

    assert len(said) == 1
    assert "ada" not in str(said)
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie["max-age"] == 365 * 86_400


@pytest.mark.parametrize("forge", ["", "nonsense", "a:b:c", "salt"])
def test_cookie_we_did_not_sign_for_this_names_nobody(forge: str) -> None:
    request = opened("ada@example.com")
    said = signing.loads(request.COOKIES[devices.COOKIE], salt=devices.SALT)
    request.COOKIES[devices.COOKIE] = (
        signing.dumps(said, salt="other") if forge == "salt" else forge
    )

    assert devices.name_of(request, "ada@example.com") is None


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada@Example.COM ", "ada@example.com"),
        ("ada+news@example.com", "ada@example.com"),
        ("ada+a+b@example.com", "ada@example.com"),
        ("a.da@example.com", "a.da@example.com"),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ("+x@example.com", "@example.com"),
    ],
)
def test_letters_are_counted_by_mailbox_whatever_its_names(email: str, mailbox: str) -> None:
    assert mailbox_of(email) == mailbox


def test_token_is_known_by_its_form_and_a_typo_costs_no_question() -> None:
    plain = tokens._mint()
    other = "a" if plain[10] != "a" else "b"

    assert tokens.is_token(plain)
    assert tokens._mint() != plain
    for wrong in (
        plain[:-1],
        f"{plain}0",
        plain[:10] + other + plain[11:],
        plain.replace("xerop_", "xeroq_"),
        plain[:-1] + "é",
        "",
    ):
        assert not tokens.is_token(wrong)
        assert tokens.token_shown(wrong) is None


@pytest.fixture
def endings() -> Iterator[list[Any]]:
    before = list(departures._endings)
    departures._endings[:] = []
    yield departures._endings
    departures._endings[:] = before


def test_everything_a_person_made_ends_in_order_and_once(endings: list[Any]) -> None:
    ended: list[tuple[str, Any]] = []

    def keys(**said: Any) -> None:
        ended.append(("keys", said["heir"]))

    def invitations(**said: Any) -> None:
        ended.append(("invitations", said["project_pk"]))

    for ending in (keys, invitations, keys):
        departures.also(ending)
    heir = User(email="rex@example.com")
    departures.end_authority(user=User(), project_pk=7, heir=heir, by=SYSTEM)

    assert ended == [("keys", heir), ("invitations", 7)]


@pytest.mark.parametrize("days", [0, -1, 91])
def test_token_of_an_operator_lasts_ninety_days_at_most(days: int) -> None:
    boss = User(email="o@example.com", is_active=True, is_staff=True, is_superuser=True)

    with pytest.raises(OperatorTokenRefused, match="1 to 90 days"):
        tokens.make_token(user=boss, name="ci", lasts=timedelta(days=days))


@pytest.mark.parametrize("missing", ["is_active", "is_staff", "is_superuser"])
def test_token_is_made_for_operators_with_all_powers_alone(missing: str) -> None:
    powers = dict.fromkeys(("is_active", "is_staff", "is_superuser"), True) | {missing: False}

    with pytest.raises(OperatorTokenRefused, match="all powers"):
        tokens.make_token(user=User(email="x", **powers), name="ci", lasts=timedelta(days=1))


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_token_has_a_name_one_can_read(name: str) -> None:
    boss = User(email="o@example.com", is_active=True, is_staff=True, is_superuser=True)

    with pytest.raises(OperatorTokenRefused, match="1 to 80 characters"):
        tokens.make_token(user=boss, name=name, lasts=timedelta(days=1))
