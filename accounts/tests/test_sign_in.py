"""Signing in and out: sessions are new, limited in attempts, and can be ended."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client

from accounts.tests.people import (
    LOGIN,
    code_now,
    give_totp,
    is_signed_in,
    mailed_code,
    make_person,
    sign_in,
)
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "another-long-enough-password"


def test_session_id_of_before_is_worthless_after(client: Client) -> None:
    ada = make_person("ada")
    client.get(LOGIN)
    planted = client.session
    planted["planted"] = True
    planted.save()
    before = planted.session_key

    sign_in(client, ada.email)

    assert is_signed_in(client)
    assert client.session.session_key != before
    thief = Client()
    thief.cookies["sessionid"] = before or ""
    assert not is_signed_in(thief)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("https://evil.example/", id="another site"),
        pytest.param("//evil.example/", id="without a scheme"),
        pytest.param("/\\evil.example", id="a backslash"),
        pytest.param("javascript:alert(1)", id="a script"),
        pytest.param("http:///evil.example", id="three slashes"),
    ],
)
def test_sign_in_leads_to_no_other_site(client: Client, target: str) -> None:
    ada = make_person("ada")

    answer = sign_in(client, ada.email, next=target)

    assert answer.headers["Location"] == "/dashboard/"


def test_sign_in_leads_to_the_page_that_asked(client: Client) -> None:
    ada = make_person("ada")

    assert sign_in(client, ada.email, next="/dashboard/x/").headers["Location"] == "/dashboard/x/"


def test_sixth_wrong_password_meets_the_limit_even_if_right(client: Client) -> None:
    ada = make_person("ada")

    for _ in range(5):
        assert "not correct" in sign_in(Client(), ada.email, "wrong").content.decode()
    answer = sign_in(client, ada.email)

    assert not is_signed_in(client)
    assert "Too many failed login attempts" in answer.content.decode()


def test_thirty_first_sign_in_of_a_minute_from_one_address_is_429(client: Client) -> None:
    for number in range(30):
        sign_in(client, f"nobody{number % 9}@example.com", "wrong")

    assert sign_in(client, "nobody@example.com", "wrong").status_code == 429


def test_unknown_person_gets_the_answer_a_wrong_password_gets() -> None:
    ada = make_person("ada")

    known, unknown = Client(), Client()
    wrong = sign_in(known, ada.email, "wrong").context["form"].errors
    missing = sign_in(unknown, "nobody@example.com", "wrong").context["form"].errors

    assert wrong == missing


def test_disabled_person_is_not_let_in_and_loses_the_session(client: Client) -> None:
    ada = make_person("ada")
    sign_in(client, ada.email)
    ada.is_active = False
    ada.save()

    assert client.get("/auth/email/").headers["Location"].startswith(LOGIN)
    other = Client()
    sign_in(other, ada.email)
    assert not is_signed_in(other)


def test_password_change_ends_every_other_session(client: Client) -> None:
    ada, elsewhere = make_person("ada"), Client()
    sign_in(client, ada.email)
    sign_in(elsewhere, ada.email)

    client.post(
        "/auth/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )

    assert client.get("/auth/sessions/").status_code == 200
    assert elsewhere.get("/auth/sessions/").headers["Location"].startswith(LOGIN)


def test_password_is_reset_by_a_mailed_code_and_ends_every_session(client: Client) -> None:
    ada, elsewhere = make_person("ada"), Client()
    sign_in(elsewhere, ada.email)

    client.post("/auth/password/reset/", {"email": ada.email})
    client.post("/auth/password/reset/confirm/", {"code": mailed_code()})
    client.post("/auth/password/reset/complete/", {"password1": NEW, "password2": NEW})

    assert elsewhere.get("/auth/sessions/").headers["Location"].startswith(LOGIN)
    sign_in(client, ada.email, NEW)
    assert is_signed_in(client)


def test_reset_of_an_unknown_address_looks_the_same(client: Client) -> None:
    make_person("ada")

    known = client.post("/auth/password/reset/", {"email": "ada@example.com"})
    unknown = Client().post("/auth/password/reset/", {"email": "nobody@example.com"})

    assert (known.status_code, known.headers["Location"]) == (
        unknown.status_code,
        unknown.headers["Location"],
    )
    assert "code" not in str(mail.outbox[1].subject).lower() or mail.outbox[1].to == [
        "nobody@example.com"
    ]


def test_reset_does_not_skip_the_second_factor(client: Client) -> None:
    ada = make_person("ada")
    give_totp(ada)
    client.post("/auth/password/reset/", {"email": ada.email})
    client.post("/auth/password/reset/confirm/", {"code": mailed_code()})
    client.post("/auth/password/reset/complete/", {"password1": NEW, "password2": NEW})

    sign_in(client, ada.email, NEW)

    assert not is_signed_in(client)
    client.post("/auth/2fa/authenticate/", {"code": code_now()})
    assert is_signed_in(client)


def test_person_sees_their_devices_and_ends_the_others(client: Client) -> None:
    ada, phone, rex = make_person("ada"), Client(), make_person("rex")
    sign_in(client, ada.email)
    phone.post(LOGIN, {"login": ada.email, "password": PASSWORD}, headers={"user-agent": "Phone"})
    theirs = Client()
    sign_in(theirs, rex.email)

    page = client.get("/auth/sessions/").content.decode()
    client.post("/auth/sessions/")

    assert "Phone" in page
    assert client.get("/auth/sessions/").status_code == 200
    assert phone.get("/auth/sessions/").status_code == 302
    assert theirs.get("/auth/sessions/").status_code == 200
    assert UserSession.objects.filter(user=ada).count() == 1


def test_person_ends_one_session_of_their_own_and_nobody_elses(client: Client) -> None:
    ada, phone, theirs = make_person("ada"), Client(), Client()
    sign_in(client, ada.email)
    sign_in(phone, ada.email)
    sign_in(theirs, make_person("rex").email)
    named = {session.session_key: session.pk for session in UserSession.objects.all()}

    other = client.post(f"/auth/sessions/{named[theirs.session.session_key]}/end/")
    missing = client.post("/auth/sessions/999999/end/")
    own = client.post(f"/auth/sessions/{named[phone.session.session_key]}/end/")

    assert (other.status_code, missing.status_code, own.status_code) == (404, 404, 302)
    assert client.get("/auth/sessions/").status_code == 200
    assert theirs.get("/auth/sessions/").status_code == 200
    assert phone.get("/auth/sessions/").status_code == 302
