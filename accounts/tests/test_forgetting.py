"""Everything that grows has an end: sessions, and accounts that were only ever asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import retention
from accounts.models import User
from accounts.tests.people import (
    forget_limits,
    is_signed_in,
    mailed_code,
    make_person,
    register,
    sign_in,
)
from common import clock
from common.batches import delete_all
from tests.make import make_project

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=8)


def test_sessions_that_are_over_go_and_those_that_last_stay() -> None:
    over, lasting = Client(), Client()
    for browser, name in ((over, "ada"), (lasting, "bob")):
        sign_in(browser, make_person(name).email)
    Session.objects.filter(pk=over.session.session_key).update(
        expire_date=clock.now() - timedelta(seconds=1)
    )

    assert retention.forget_sessions() == 1

    assert is_signed_in(lasting)
    assert [one.session_key for one in UserSession.objects.all()] == [lasting.session.session_key]


@pytest.mark.parametrize(
    "path", ["/auth/password/reset/", "/auth/register"], ids=["reset", "register"]
)
def test_what_a_stranger_leaves_in_a_session_lasts_an_hour(path: str) -> None:
    form = {"email": "new@example.com", "password1": "a-long-enough-password"}

    Client().post(path, form)

    [left] = Session.objects.all()
    assert left.expire_date - clock.now() <= timedelta(hours=1)


def test_session_of_whoever_registered_lasts_as_anybodys(client: Client) -> None:
    register(client, "new@example.com")
    client.post("/auth/confirm-email/", {"code": mailed_code()})

    assert is_signed_in(client)
    assert client.session.get_expiry_age() > 86_400


def old(user: User) -> User:
    User.objects.filter(pk=user.pk).update(joined_at=clock.now() - LONG_AGO)
    return user


def test_account_that_nobody_proved_goes_after_a_week_and_no_other_does() -> None:
    register(Client(), "gone@example.com")
    old(User.objects.get(email="gone@example.com"))
    register(Client(), "young@example.com")
    old(make_person("proven"))
    old(User.objects.create_superuser("operator@example.com", "x"))
    owner = old(User.objects.create_user("owner@example.com", "x"))
    make_project(owner=owner)
    shut = old(User.objects.create_user("shut@example.com", "x", is_active=False))

    assert retention.forget_unproven() == 1

    left = set(User.objects.values_list("email", flat=True))
    assert left == {
        "young@example.com",
        "proven@example.com",
        "operator@example.com",
        "owner@example.com",
        shut.email,
    }
    assert not EmailAddress.objects.filter(email="gone@example.com").exists()


def test_address_of_a_forgotten_account_is_free_again(client: Client) -> None:
    register(Client(), "ada@example.com")
    old(User.objects.get())
    retention.forget_unproven()
    forget_limits()  # A second code within ten seconds is not sent.

    register(client, "ada@example.com")
    client.post("/auth/confirm-email/", {"code": mailed_code()})

    assert is_signed_in(client)


def test_much_is_deleted_a_handful_at_a_time() -> None:
    for number in range(5):
        User.objects.create_user(f"u{number}@example.com", None)

    assert delete_all(User.objects.filter(email__startswith="u"), size=2) == 5
    assert not User.objects.exists()
