"""The mail server is away: who needs a letter is told so, and what was asked can be asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.tests.people import (
    CODE,
    forget_limits,
    is_signed_in,
    make_person,
    register,
)
from tests.mail.server import Post, post_office
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def post(settings: Settings) -> Iterator[Post]:
    """Send through a mail server that refuses everybody until a test lets it take letters."""
    with post_office() as office:
        office.refuses = "450 try again"
        settings.EMAIL_BACKEND = "xerotier_site.mail.ServerBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = office.host, office.port
        settings.EMAIL_USE_SSL = settings.EMAIL_USE_TLS = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        yield office


def ask_for_a_code(client: Client) -> Any:
    return register(client, "new@example.com")


def ask_for_a_new_password(client: Client) -> Any:
    return client.post("/auth/password/reset/", {"email": "ada@example.com"})


def ask_for_another_address(client: Client) -> Any:
    ada = User.objects.get(email="ada@example.com")
    client.force_login(ada)
    client.post("/auth/reauthenticate/", {"password": PASSWORD})
    return client.post("/auth/email/", {"action_add": "", "email": "new@example.com"})


@pytest.mark.parametrize("ask", [ask_for_a_code, ask_for_a_new_password, ask_for_another_address])
@pytest.mark.parametrize("is_there", [True, False])
def test_whoever_needs_a_letter_is_told_and_asks_again(
    client: Client,
    post: Post,
    settings: Settings,
    ask: Callable[[Client], Any],
    is_there: bool,
) -> None:
    make_person("ada")
    port = settings.EMAIL_PORT
    settings.EMAIL_PORT = port if is_there else 1

    refused = ask(client)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert "mail server" in refused.content.decode()
    assert not EmailAddress.objects.filter(email="new@example.com").exists()
    assert not User.objects.filter(email="new@example.com").exists()

    settings.EMAIL_PORT, post.refuses = port, ""
    forget_limits()
    assert ask(client).status_code == 302
    assert CODE.search(post.text())


def test_person_who_was_turned_away_registers_after_all(client: Client, post: Post) -> None:
    register(client, "new@example.com")
    lost = client.get("/auth/confirm-email/")
    post.refuses = ""
    forget_limits()
    register(client, "new@example.com")
    code = CODE.search(post.text())
    assert code is not None
    client.post("/auth/confirm-email/", {"code": code[1]})

    assert lost.status_code in (200, 302)
    assert is_signed_in(client)
