"""Who asks in these tests: a key with the scope ``management``."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from projects.models import Project
from tests.make import make_key


@pytest.fixture
def manager(acme: Project) -> APIClient:
    key = make_key(acme, name="manager", scopes=("management",))
    return APIClient(headers={"authorization": f"Bearer {key.secret}"})


@pytest.fixture
def home(acme: Project) -> str:
    """Return where acme's management resources begin."""
    return f"/{acme.public_id}/v1/management"
