"""One's own name: seen and changed by oneself, with nothing in it that nobody can see."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.people import make_person
from audit.models import AuditEntry

pytestmark = pytest.mark.django_db
URL = "/auth/name/"


@pytest.fixture
def ada() -> User:
    person = make_person("ada")
    User.objects.filter(pk=person.pk).update(name="Ada")
    return person


@pytest.fixture
def page(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def name_of(user: User) -> str:
    user.refresh_from_db()
    return user.name


def test_own_name_is_shown_and_changed_and_the_change_is_on_record(page: Client, ada: User) -> None:
    shown = page.get(URL).content.decode()
    page.post(URL, {"name": "  Ada Lovelace "})

    entry = AuditEntry.objects.latest("id")
    assert 'value="Ada"' in shown
    assert name_of(ada) == "Ada Lovelace"
    assert (entry.action, entry.actor_name, entry.object_id) == (
        "person.changed",
        ada.email,
        str(ada.pk),
    )
    assert (entry.before, entry.after) == ({"name": "Ada"}, {"name": "Ada Lovelace"})


def test_name_can_be_taken_away(page: Client, ada: User) -> None:
    page.post(URL, {"name": ""})

    assert name_of(ada) == ""


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param("Ada\u202e", "U+202E", id="a mark that turns text round"),
        pytest.param("A\u200bda", "U+200B", id="a space without width"),
        pytest.param("a" * 121, "at most 120", id="too long"),
        pytest.param("Ada\x00", "Null characters", id="a NUL"),
    ],
)
def test_refused_name_says_why_beside_its_field_and_changes_nothing(
    page: Client, ada: User, name: str, fault: str
) -> None:
    answer = page.post(URL, {"name": name})

    assert answer.status_code == 422
    assert fault in answer.context["form"].errors["name"][0]
    assert name_of(ada) == "Ada"


def test_form_without_the_field_and_the_same_name_change_nothing(page: Client, ada: User) -> None:
    without = page.post(URL, {})
    same = page.post(URL, {"name": "Ada"})

    assert (without.status_code, same.status_code) == (422, 302)
    assert name_of(ada) == "Ada"
    assert not AuditEntry.objects.exists()


def test_name_is_reached_from_every_page_of_the_account(page: Client) -> None:
    for path in ("/auth/email/", "/auth/2fa/", "/auth/sessions/"):
        assert f'href="{URL}"' in page.get(path).content.decode()
