"""What every answer says to a browser, and whose words about a request are believed."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.tests.people import make_person, sign_in

pytestmark = pytest.mark.django_db

HSTS = "max-age=31536000; includeSubDomains; preload"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register", "/", "/nothing/here/"])
def test_every_page_says_what_a_browser_may_do(client: Client, path: str) -> None:
    said = client.get(path).headers

    policy = dict(part.strip().split(" ", 1) for part in said["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert said["X-Frame-Options"] == "DENY"
    assert said["X-Content-Type-Options"] == "nosniff"
    assert said["Referrer-Policy"] == "same-origin"
    assert said["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in said["Permissions-Policy"]


def test_pages_of_a_person_are_kept_by_no_cache(client: Client) -> None:
    sign_in(client, make_person("ada").email)

    assert "no-store" in client.get("/auth/sessions/").headers["Cache-Control"]


def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: Client) -> None:
    sign_in(client, make_person("ada").email)

    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_encrypted_platform_says_so_for_a_year(client: Client, settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.TRUSTED_PROXIES = ["127.0.0.1"]

    answer = client.get("/auth/login", headers={"x-forwarded-proto": "https"})

    assert answer.headers["Strict-Transport-Security"] == HSTS


def test_stranger_cannot_claim_to_come_encrypted(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    claimed = client.get("/auth/login", headers={"x-forwarded-proto": "https"})
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    proven = client.get("/auth/login", headers={"x-forwarded-proto": "https"})

    assert (claimed.status_code, claimed.headers["Location"]) == (
        301,
        "https://testserver/auth/login",
    )
    assert proven.status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"host": "evil.example"}, id="the host"),
        pytest.param({"host": "platform.example@evil.example"}, id="with a user in front"),
        pytest.param({"host": "platform.example:80:80"}, id="two ports"),
        pytest.param({"host": "platform.example", "x-forwarded-host": "evil.example"}, id="hidden"),
    ],
)
def test_reset_letter_never_names_a_host_of_a_strangers(
    client: Client, settings: Settings, said: dict[str, str]
) -> None:
    settings.ALLOWED_HOSTS = ["platform.example"]
    make_person("ada")

    client.post("/auth/password/reset/", {"email": "ada@example.com"}, headers=said)

    assert "evil" not in "".join(str(letter.body) for letter in mail.outbox)
    if said["host"] != "platform.example":
        assert mail.outbox == []


def test_form_without_its_token_changes_nothing() -> None:
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/auth/login", {"login": "ada@example.com", "password": "x"})

    assert answer.status_code == 403


def test_limits_count_by_the_address_a_trusted_proxy_names(
    client: Client, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    for number in range(31):
        away = {"x-forwarded-for": f"198.51.100.{number}"}
        last = client.post("/auth/login", {"login": f"a{number}@b.example"}, headers=away)

    assert last.status_code == 200


def test_limits_are_not_escaped_by_a_strangers_word_about_its_address(client: Client) -> None:
    for number in range(31):
        away = {"x-forwarded-for": f"198.51.100.{number}"}
        last = client.post("/auth/login", {"login": f"a{number}@b.example"}, headers=away)

    assert last.status_code == 429
