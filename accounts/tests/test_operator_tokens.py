"""An operator's token opens the operator API, as long as they are one, and nothing else ever."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts import services, tokens
from accounts.models import OperatorToken, User
from accounts.tests.people import give_totp, make_person
from audit.models import AuditEntry
from common import clock
from common.actor import SYSTEM
from tests.make import make_key, make_project

pytestmark = pytest.mark.django_db

URL = "/v1/operator/tiers"


@pytest.fixture
def boss(db: None) -> User:
    User.objects.create_superuser("other@example.com", "x")
    return User.objects.create_superuser("boss@example.com", "x")


def command(*said: str) -> str:
    told = StringIO()
    call_command("operator_token", *said, stdout=told, stderr=StringIO())
    return told.getvalue().strip()


def make(*said: str) -> str:
    return command("make", "boss@example.com", "--name", "ci", *said)


def status(bearer: str) -> int:
    return Client(headers={"authorization": f"Bearer {bearer}"}).get(URL).status_code


def test_token_is_shown_once_and_only_its_digest_is_kept(boss: User) -> None:
    plain = make()

    assert status(plain) == 200
    token = OperatorToken.objects.get()
    assert plain not in str(OperatorToken.objects.values())
    assert token.last_used_at is not None
    assert token.expires_at - token.made_at == timedelta(days=30)
    entry = AuditEntry.objects.get(action="person.operator_token_made")
    assert plain not in str(entry.after)
    assert plain not in command("list")


def test_revoked_token_opens_nothing_any_more_and_that_is_on_record(boss: User) -> None:
    plain = make()
    token = OperatorToken.objects.get()

    command("revoke", token.public_id)

    assert status(plain) == 401
    assert AuditEntry.objects.filter(action="person.operator_token_revoked").count() == 1
    with pytest.raises(CommandError, match="revoked before"):
        command("revoke", token.public_id)
    assert "ended" in command("list")


def test_token_ends_by_itself(boss: User, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make("--days", "1")
    late = clock.now() + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: late)

    assert status(plain) == 401


@pytest.mark.parametrize("lost", ["is_active", "is_staff", "is_superuser"])
def test_token_ends_with_its_persons_powers_and_does_not_come_back(boss: User, lost: str) -> None:
    plain = make()
    full: dict[str, Any] = {
        "name": "Boss",
        "is_active": True,
        "is_staff": True,
        "is_superuser": True,
    }

    services.set_standing(
        user_id=boss.pk, standing=services.Standing(**full | {lost: False}), by=SYSTEM
    )
    assert status(plain) == 401
    services.set_standing(user_id=boss.pk, standing=services.Standing(**full), by=SYSTEM)

    assert status(plain) == 401


def test_nothing_but_a_live_token_opens_the_operator_api(boss: User) -> None:
    plain = make()
    key = make_key(make_project(owner=boss), scopes=("management",), issuer=boss).secret
    session = Client()
    session.force_login(boss)

    assert session.get(URL).status_code == 401
    assert {status(wrong) for wrong in (key, plain[:-1] + "!", plain + "0", "", "é", "x" * 55)} == {
        401
    }
    one_off = plain[:10] + ("b" if plain[10] == "a" else "a") + plain[11:]
    assert status(one_off) == 401


@pytest.mark.parametrize(
    "said",
    [
        ("make", "nobody@example.com", "--name", "ci"),
        ("make", "ada@example.com", "--name", "ci"),
        ("make", "boss@example.com", "--name", "ci", "--days", "91"),
        ("make", "boss@example.com", "--name", "ci", "--days", "0"),
        ("make", "boss@example.com", "--name", ""),
        ("revoke", "opt_none"),
    ],
)
def test_token_that_can_not_be_is_refused_in_a_sentence(boss: User, said: tuple[str, ...]) -> None:
    make_person("ada")

    with pytest.raises(CommandError):
        command(*said)

    assert not OperatorToken.objects.exists()


def test_console_lists_tokens_without_them_and_ends_them(boss: User) -> None:
    plain = make()
    give_totp(boss)
    client = Client()
    client.force_login(boss)
    page = reverse("admin:accounts_operatortoken_changelist")

    shown = client.get(page).content.decode()
    token = OperatorToken.objects.get()
    client.post(page, {"action": "revoke", "_selected_action": [token.pk]})

    assert token.hint in shown
    assert plain not in shown
    assert not tokens.revoke_token(token=token)
    assert status(plain) == 401
