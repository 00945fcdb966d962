"""Operators, as a browser has them: signed in, with a second factor."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.people import forget_limits, give_totp, make_person


@pytest.fixture
def operator(db: None) -> User:
    made = make_person("operator", is_staff=True, is_superuser=True)
    give_totp(made)
    return made


@pytest.fixture
def as_operator(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> None:
    forget_limits()
