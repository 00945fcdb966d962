"""Nobody learns who has an account: not by what is answered, nor by what it costs, nor by post."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.test import Client, override_settings

from accounts.tests.people import LOGIN, REGISTER, forget_limits, mailed_code, make_person
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db
RESET = "/auth/password/reset/"
HERE, NEW = "ada@example.com", "new@example.com"


class Counted(Argon2PasswordHasher):
    """Hashes as production does, but small, and counts."""

    time_cost, memory_cost, parallelism = 1, 8, 1
    made = 0

    def encode(self, password: str, salt: str) -> str:
        """Count one hash."""
        Counted.made += 1
        return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        """Count one hash."""
        Counted.made += 1
        return bool(super().verify(password, encoded))


def asked(path: str, said: dict[str, str]) -> tuple[Any, ...]:
    """Send a form as a stranger; return what it cost and what the next page says."""
    browser = Client()
    Counted.made, letters = 0, len(mail.outbox)
    answer = browser.post(path, said)
    place = answer.get("Location", "")
    page = browser.get(place).content.decode() if place else answer.content.decode()
    words = re.sub(r"csrf\S+ value=\S+|nonce=\S+", "", page.replace(said["who"], "X"))
    return answer.status_code, place, words, Counted.made, len(mail.outbox) - letters


@pytest.mark.parametrize(
    ("path", "form", "hashes"),
    [
        pytest.param(REGISTER, {"email": "{who}", "password1": PASSWORD}, 1, id="register"),
        pytest.param(LOGIN, {"login": "{who}", "password": "wrong-password"}, 1, id="sign in"),
        pytest.param(RESET, {"email": "{who}"}, 0, id="reset"),
    ],
)
@override_settings(PASSWORD_HASHERS=[f"{__name__}.Counted"])
def test_form_answers_costs_and_writes_the_same_for_both(
    path: str, form: dict[str, str], hashes: int
) -> None:
    make_person("ada")

    said = {}
    for who in (HERE, NEW):
        forget_limits()
        said[who] = asked(path, {k: v.format(who=who) for k, v in form.items()} | {"who": who})

    assert said[HERE] == said[NEW]
    assert said[HERE][3] == hashes


def test_changing_to_a_taken_address_looks_as_changing_to_a_free_one() -> None:
    make_person("ada")
    seen = []
    for name, wanted in (("bob", HERE), ("rex", NEW)):
        browser = Client()
        browser.force_login(make_person(name))
        browser.post("/auth/reauthenticate/", {"password": PASSWORD})
        answer = browser.post("/auth/email/", {"action_add": "", "email": wanted})
        seen.append((answer.status_code, answer.get("Location"), len(mail.outbox)))
        mail.outbox.clear()
        forget_limits()

    assert seen[0] == seen[1]


@pytest.mark.parametrize("who", [HERE, NEW])
@pytest.mark.parametrize(
    ("path", "form"),
    [(REGISTER, {"password1": PASSWORD}), (RESET, {})],
    ids=["register", "reset"],
)
@override_settings(LETTERS_PER_HOUR=2)
def test_no_mailbox_is_flooded_and_the_refusal_tells_nothing(
    path: str, form: dict[str, str], who: str
) -> None:
    make_person("ada")

    answers = []
    for number in range(4):
        browser = Client(raise_request_exception=False, REMOTE_ADDR="192.0.2.8")
        spelled = who.replace("@", f"+{number}@") if number and who == NEW else who
        answers.append(browser.post(path, {"email": spelled, **form}))

    # Registering the same address again within ten seconds is refused by that alone.
    statuses = [answer.status_code for answer in answers]
    assert (statuses[0], statuses[2:]) == (302, [429, 429])
    assert len(mail.outbox) == statuses.count(302) <= 2


@override_settings(LETTERS_PER_HOUR=1)
def test_strangers_cannot_keep_a_known_browser_from_its_letter() -> None:
    make_person("ada")
    known = Client()
    known.post(LOGIN, {"login": HERE, "password": PASSWORD})
    known.post("/auth/logout/")
    for number in range(8):
        stranger = Client(raise_request_exception=False, REMOTE_ADDR=f"192.0.2.{number}")
        last = stranger.post(RESET, {"email": HERE})

    known.post(RESET, {"email": HERE})

    assert last.status_code == 429
    assert mailed_code()
    assert len(mail.outbox) == 5


@override_settings(LETTERS_PER_HOUR=1)
def test_nobody_writes_to_a_whole_city() -> None:
    answers = []
    for number in range(12):
        browser = Client(raise_request_exception=False, REMOTE_ADDR="192.0.2.9")
        answers.append(browser.post(RESET, {"email": f"p{number}@example.net"}).status_code)

    assert answers == [302] * 10 + [429] * 2
    assert len(mail.outbox) == 10
