"""Who asks in these tests: a key with the scope ``management``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from projects.models import Project
from tests.make import answering_backends, make_key


@pytest.fixture
def manager(acme: Project) -> APIClient:
    key = make_key(acme, name="manager", scopes=("management",))
    return APIClient(headers={"authorization": f"Bearer {key.secret}"})


@pytest.fixture
def home(acme: Project) -> str:
    """Return where acme's management resources begin."""
    return f"/{acme.public_id}/v1/management"


@pytest.fixture(autouse=True)
def backends(settings: Settings) -> Iterator[None]:
    """Have servers that are asked answer, as often as they are asked."""
    settings.BACKEND_QUESTIONS_PER_MIN = 10**6
    with answering_backends():
        yield
