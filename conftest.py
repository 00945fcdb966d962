"""The cast of every test: Ada owns acme; Rex owns the rival project next door."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from rest_framework.test import APIClient

from accounts.models import User
from projects.models import Project
from tests.make import make_project, make_user, session_of

pytest_plugins = [
    "tests.platform",
    "tests.database_cleanup",
    "tests.made_up",
    "tests.scheduling",
    "tests.run_summary",
    "xim_fixtures",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-bytes", type=int, default=300_000, help="how much each fuzz test eats")
    parser.addoption("--pairs", type=int, default=750, help="how many hostile pairs are played")
    parser.addoption("--fuzz-seed", type=int, default=1, help="where its chance begins")
    parser.addoption(
        "--fast-edge-apart",
        action="store_true",
        help="leave out what `make test-compiled FAST=1` runs",
    )


def pytest_collection_finish() -> None:
    """Set aside what is here now, as a server does: thousands of tests are nobody's garbage.

    A search through them would take longer than a gateway has for most of its work.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def rex(db: None) -> User:
    return make_user("rex")


@pytest.fixture
def acme(ada: User) -> Project:
    return make_project("acme", owner=ada)


@pytest.fixture
def rival(rex: User) -> Project:
    return make_project("rival", owner=rex)


@pytest.fixture
def as_ada(ada: User) -> APIClient:
    return session_of(ada)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    """Hand out the data plane's Valkey, empty."""
    client = redis.Redis.from_url(settings.PLANE_VALKEY, decode_responses=True)
    client.flushdb()
    yield client
    client.close()
