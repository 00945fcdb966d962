"""No door leads to another site, whatever the address says about where to go next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.tests.people import LOGIN, REGISTER, make_person, sign_in
from accounts.tests.test_providers import consent, leave
from tests.idp.trusted import GITHUB, SSO, trusted
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db

TARGETS = [
    pytest.param("https://evil.example/", id="another site"),
    pytest.param("//evil.example/", id="without a scheme"),
    pytest.param("/\\evil.example", id="a backslash"),
    pytest.param("\\\\evil.example", id="two backslashes"),
    pytest.param("javascript:alert(1)", id="a script"),
    pytest.param("http:///evil.example", id="three slashes"),
    pytest.param("https:evil.example", id="a scheme without slashes"),
    pytest.param("\t//evil.example", id="a tab in front"),
    pytest.param("http://testserver@evil.example/", id="our name as a user"),
    pytest.param("/\r\nLocation: https://evil.example/", id="a second header"),
]

DOORS: dict[str, Callable[[Client, str], Any]] = {
    "login, signed in": lambda client, to: client.get(LOGIN, {"next": to}),
    "register, signed in": lambda client, to: client.get(REGISTER, {"next": to}),
    "logout": lambda client, to: client.post("/auth/logout/", {"next": to}),
    "proof": lambda client, to: client.post(
        "/auth/reauthenticate/", {"password": PASSWORD, "next": to}
    ),
    "proof, by address": lambda client, to: client.post(
        "/auth/reauthenticate/", {"password": PASSWORD}, query_params={"next": to}
    ),
    "theme": lambda client, to: client.post("/theme/", {"theme": "dark", "next": to}),
    "the old login": lambda client, to: client.get("/auth/login/", {"next": to}, follow=True),
    "console": lambda client, to: client.get("/admin/login/", {"next": to}),
    "provider's error": lambda client, to: client.get(
        "/auth/3rdparty/login/cancelled/", {"next": to}
    ),
}


def leads_away(answer: Any) -> bool:
    """Say whether a browser would leave us by this answer."""
    to = answer.get("Location", "")
    return bool(to) and not (to.startswith("/") and to[1:2] not in {"/", "\\"})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("door", sorted(DOORS))
def test_door_leads_to_no_other_site(client: Client, door: str, target: str) -> None:
    sign_in(client, make_person("ada").email)

    answer = DOORS[door](client, target)

    assert answer.status_code < 500
    assert not leads_away(answer)
    assert "\n" not in answer.get("Location", "")
    assert not any(leads_away({"Location": to}) for to, _ in getattr(answer, "redirect_chain", []))


@pytest.mark.parametrize("target", TARGETS)
def test_provider_brings_people_back_to_us_alone(
    client: Client, settings: Settings, target: str
) -> None:
    with trusted(settings):
        for door in (GITHUB, SSO):
            answer = client.get(consent(leave(client, door, next=target)))
            assert answer.status_code == 302
            assert not leads_away(answer)
            client.post("/auth/logout/")


def test_doors_do_lead_somewhere_on_our_own_site(client: Client) -> None:
    """Guard the tests above: a door that ignores ``next`` altogether would prove nothing."""
    sign_in(client, make_person("ada").email)

    for door in ("login, signed in", "proof", "theme"):
        assert DOORS[door](client, "/docs/")["Location"] == "/docs/", door
