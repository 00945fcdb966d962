"""What the address bar can hold reaches no database that does not take it."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from dashboard.tests.cast import signed_in
from projects.models import Project

PATHS = ["endpoints/%00/", "keys/%00/", "models/%00/", "settings/billing/budgets/%00/", "a%00b"]
QUESTIONS = [
    "usage/?endpoint=%00",
    "usage/?key=%00&endpoint=a%00b",
    "settings/audit/?actor=%00",
    "settings/audit/?action=%00&before=%00",
    "endpoints/?page=%00",
    "?x=%00",
]


@pytest.mark.parametrize("path", PATHS)
def test_address_with_a_nul_is_nobodys(ada: User, acme: Project, path: str) -> None:
    answer = signed_in(ada).get(f"/dashboard/{acme.public_id}/{path}")

    assert answer.status_code == 404


@pytest.mark.parametrize("asked", QUESTIONS)
def test_question_with_a_nul_asks_for_nothing(ada: User, acme: Project, asked: str) -> None:
    page = signed_in(ada)
    address = f"/dashboard/{acme.public_id}/{asked}"

    assert page.get(address).status_code == page.get(address.replace("%00", "")).status_code < 500


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/models/%00/", "/docs/%00/", "/invitations/%00/", "/%00"])
def test_strangers_get_a_page_that_says_so(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["keys/new/", "endpoints/new/", "settings/"])
def test_form_with_a_nul_is_refused_as_a_form(ada: User, acme: Project, path: str) -> None:
    sent = {"name": "a\0b", "slug": "a\0b", "model": "a\0", "tier": "\0", "scopes": ["\0"]}

    answer = signed_in(ada).post(f"/dashboard/{acme.public_id}/{path}", sent)

    assert answer.status_code < 500
