"""What people do about their own sign-in is in the audit log, without their secrets."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.tests.people import (
    code_now,
    mailed_code,
    make_person,
    register,
    sign_in,
)
from accounts.tests.test_providers import enter
from audit.models import AuditEntry
from tests.idp.trusted import GITHUB, trusted
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "another-long-enough-password"


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_registering_and_signing_in_are_on_record(client: Client) -> None:
    register(client, "ada@example.com")
    client.post("/auth/confirm-email/", {"code": mailed_code()})

    entry = AuditEntry.objects.filter(project="").latest("id")
    assert actions() == ["person.registered", "person.signed_in"]
    assert (entry.actor_name, entry.address) == ("ada@example.com", "127.0.0.1")
    assert entry.object_id == str(User.objects.get().pk)


def test_wrong_password_is_no_sign_in(client: Client) -> None:
    make_person("ada")

    sign_in(client, "ada@example.com", "wrong")

    assert actions() == []


def test_new_password_is_on_record_but_not_what_it_is(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    said = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}

    client.post("/auth/password/change/", said)

    assert actions() == ["person.signed_in", "person.password_changed"]
    assert NEW not in str(AuditEntry.objects.latest("id").said())


@pytest.mark.django_db(transaction=True)  # allauth tells of factors after the commit.
def test_new_factor_is_on_record_but_not_its_seed(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})
    seed = client.get("/auth/2fa/totp/activate/").context["form"].secret

    client.post("/auth/2fa/totp/activate/", {"code": code_now(seed)})

    added = AuditEntry.objects.filter(action="person.factor_added")
    assert sorted(entry.after["factor"] for entry in added) == ["recovery_codes", "totp"]
    assert seed not in "".join(str(entry.said()) for entry in added)


def test_new_address_is_on_record(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})
    client.post("/auth/email/", {"action_add": "", "email": "new@example.com"})

    client.post("/auth/confirm-email/", {"code": mailed_code()})

    entry = AuditEntry.objects.get(action="person.email_changed")
    assert entry.after == {"email": "new@example.com"}


def test_link_to_another_account_is_on_record(client: Client, settings: Settings) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})

    with trusted(settings):
        enter(client, GITHUB, process="connect")

    entry = AuditEntry.objects.get(action="person.account_linked")
    assert (entry.actor_id, entry.after) == (str(ada.pk), {"provider": "github"})
