"""The allowance of a month is to be seen wherever one looks at what it pays for."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from dashboard.tests.cast import signed_in, used
from projects.models import Project
from tests.make import make_endpoint

PLACES = ["", "endpoints/chat/", "settings/billing/"]


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


@pytest.mark.parametrize("path", PLACES)
def test_allowance_stands_on_overview_endpoint_and_billing(
    page: Client, acme: Project, path: str
) -> None:
    make_endpoint(acme, "chat", tier="free")
    used(acme, endpoint="chat", tier="free", tokens_in=20_000, tokens_out=5_000)

    html = page.get(f"/dashboard/{acme.public_id}/{path}").content.decode()

    assert "25,000 of 100,000 tokens" in html
    assert 'max="100" value="25" aria-label="Allowance used: 25 %"' in html


@pytest.mark.parametrize("path", PLACES)
def test_tier_without_an_allowance_shows_no_bar(page: Client, acme: Project, path: str) -> None:
    make_endpoint(acme, "chat", tier="cpu_amd_optimized")
    used(acme, endpoint="chat")

    html = page.get(f"/dashboard/{acme.public_id}/{path}").content.decode()

    assert "Allowance used" not in html


def test_endpoint_shows_the_allowance_of_its_own_tier_alone(page: Client, acme: Project) -> None:
    make_endpoint(acme, "chat", tier="free")
    make_endpoint(acme, "paid", tier="cpu_amd_optimized")

    html = page.get(f"/dashboard/{acme.public_id}/endpoints/paid/").content.decode()

    assert "Allowance used" not in html
