"""No name looks like another that it is not: on every page and in every answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.people import give_totp, make_person
from apikeys.models import ApiKey
from common.names import NameMalformed, check_name, visible
from projects.models import Project
from tests.make import make_key, prove

HIDDEN = "\u202e\u202d\u2066\u2069\u200b\u200d\u200f\ufeff\u00ad\u2060\u3164\u2800\n\x00\U000e0041"


@pytest.mark.parametrize("character", HIDDEN, ids=lambda one: f"U+{ord(one):04X}")
def test_name_with_what_nobody_sees_is_refused_and_the_character_named(character: str) -> None:
    with pytest.raises(NameMalformed) as refused:
        check_name(f"ci{character}-runner")

    assert f"U+{ord(character):04X}" in refused.value.message
    assert visible(f"ci{character}-runner") == "ci-runner"


@pytest.mark.parametrize(
    "name", ["ci runner", "Müller & Söhne", "日本語", "مفتاح", "prod 🚀", "❤️", "a\u00a0b", "x́"]
)
def test_name_of_any_language_that_can_be_seen_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.django_db
def test_api_refuses_such_a_name_wherever_it_takes_one(as_ada: APIClient, acme: Project) -> None:
    key, base = make_key(acme).key.public_id, f"/{acme.public_id}/v1/management/"
    as_ada.credentials(HTTP_IF_MATCH="*")
    bad = {"name": "acme\u202eemca"}

    answers = [
        as_ada.post(base + "api-keys", bad, format="json"),
        as_ada.patch(base + f"api-keys/{key}", bad, format="json"),
        as_ada.patch(base + "project", bad, format="json"),
    ]

    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (
            400,
            "name_malformed",
            "name",
        )


@pytest.mark.django_db
def test_pages_say_it_beside_the_field(ada: User, acme: Project) -> None:
    page, base = Client(), f"/dashboard/{acme.public_id}/"
    page.force_login(ada)
    prove(page, ada)
    key = make_key(acme).key.public_id
    bad: dict[str, Any] = {"name": "ci\u200b", "scopes": ["inference"]}

    answers = [
        page.post(base + "keys/new/", bad),
        page.post(base + f"keys/{key}/", bad),
        page.post(base + "settings/", bad),
        page.post("/dashboard/new/", {"name": "ci\u200b", "slug": "other"}),
    ]

    assert {answer.status_code for answer in answers} == {422}
    for answer in answers:
        assert "U+200B" in answer.content.decode()
    assert not ApiKey.objects.filter(name__contains="\u200b").exists()


@pytest.mark.django_db
def test_console_keeps_such_a_name_out_as_well(ada: User) -> None:
    operator = make_person("operator", is_staff=True, is_superuser=True)
    give_totp(operator)
    console = Client()
    console.force_login(operator)

    answer = console.post(
        f"/admin/accounts/user/{ada.pk}/change/",
        {"name": "Ada\u202e", "is_active": "on"},
        follow=True,
    )

    ada.refresh_from_db()
    assert ada.name == ""
    assert "U+202E" in answer.content.decode()
