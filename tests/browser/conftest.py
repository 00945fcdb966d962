"""A real Chromium on the pages, which may not complain about anything while it is driven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.tests.people import forget_limits, make_person
from catalog.services import load_defaults
from dashboard.tests.cast import used
from projects.models import Project
from tests.make import PASSWORD, make_endpoint, make_key, make_project
from tests.tools.browser import chromium, reason

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
EXPECTED = ("the server responded with a status of 422",)
"""What Chromium reports of a form that was refused: the pages are built on it."""

NewContext = Callable[..., BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, so that it can be left out by name."""
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium_browser(django_db_setup: None) -> Iterator[Browser]:
    """Start Chromium once a module: as long as it runs, an event loop is held in this thread.

    Django would mistake the tests for async code, so it is told for that long that they
    are not. The database is set up before.
    """
    path = chromium()
    if path is None:
        # Only a real browser can fail these; `.ci/run` installs one, so CI never leaves them out.
        pytest.skip(reason())
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium_browser: Browser, live_server: LiveServer) -> Iterator[NewContext]:
    """Make contexts on the running site; at the end none of their pages may have complained."""
    forget_limits()
    made: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        expected = any(words in message.text for words in EXPECTED)
        if message.type in {"error", "warning"} and not expected:
            complaints.append(f"{message.text} ({message.location})")

    def new_context(**options: Any) -> BrowserContext:
        one = chromium_browser.new_context(base_url=live_server.url, **options)
        one.set_default_timeout(10_000)
        one.on("console", heard)
        one.on("weberror", lambda fault: complaints.append(str(fault.error)))
        made.append(one)
        return one

    yield new_context
    for one in made:
        one.close()
    assert complaints == []


@pytest.fixture
def page(context: NewContext) -> Page:
    """Open one page of the ordinary size."""
    return context(permissions=["clipboard-read", "clipboard-write"]).new_page()


@pytest.fixture
def ada(transactional_db: None) -> User:
    """Ada, who can sign in: her address is verified."""
    load_defaults()
    return make_person("ada")


@pytest.fixture
def furnished(ada: User) -> Project:
    """Ada's project with endpoints, a key, and a few requests of the last day."""
    acme = make_project("acme", owner=ada)
    for slug in ("chat", "a-slug-as-long-as-slugs-may-be-" + "x" * 32):
        make_endpoint(acme, slug)
    key = make_key(acme, name="ci-runner").key
    for ending, status in (("complete", 200), ("caller_left", 200), ("worker_broke", 502)):
        used(acme, endpoint="chat", key_id=key.public_id, ending=ending, status=status)
    return acme


def sign_in(page: Page, user: User) -> None:
    """Fill in the form and wait for the dashboard."""
    page.goto("/auth/login")
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard/proj_*/")
