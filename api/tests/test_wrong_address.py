"""A program that asks at a wrong address is told so in JSON, and which address it meant."""

from __future__ import annotations

import pytest
from django.test import Client

from api.wrong_address import hint_for

PROGRAM = {"authorization": "Bearer xero_acme_x", "accept": "application/json"}
BASE = "http://testserver/proj_…/your-endpoint/v1"
RIGHT = "http://testserver/proj_A1/chat/v1/chat/completions"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "hint"),
    [
        pytest.param("/v1/chat/completions", BASE, id="OpenAI's own"),
        pytest.param("/v1/models", BASE, id="a list of models"),
        pytest.param("/proj_A1/chat/chat/completions", RIGHT, id="without v1"),
        pytest.param("/proj_A1/chat/V1/chat/completions", RIGHT, id="in capitals"),
        pytest.param("/proj_A1/v1/chat/completions", BASE, id="without an endpoint"),
        pytest.param("/proj_A1/chat/v2/chat/completions", RIGHT, id="another version"),
        pytest.param("/proj_A1/chat", BASE, id="the endpoint alone"),
        pytest.param("/chat/completions", BASE, id="no base at all"),
        pytest.param("/elsewhere", "", id="nothing of the kind"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wrong_base_url_is_told_the_right_one(
    client: Client, path: str, hint: str, method: str
) -> None:
    answer = client.generic(method, path, "{}", content_type="application/json", headers=PROGRAM)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "not_found")
    assert hint in error["message"]
    assert answer["X-Xerotier-Request-ID"].startswith("req_")


def test_operators_are_told_of_no_clients_base_url() -> None:
    assert hint_for("/v1/operator/nothing", "http://testserver") == ""


def test_slash_too_many_is_seen_through() -> None:
    said = hint_for("//proj_A1//chat/v1/chat/completions/", "http://testserver")

    assert said == f" Did you mean {RIGHT}?"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "is_json"),
    [
        ({"authorization": "Bearer x"}, True),
        ({"content-type": "application/json"}, True),
        ({"accept": "application/json"}, True),
        ({"accept": "text/html,application/json"}, False),
        ({"accept": "*/*"}, False),
        ({}, False),
    ],
)
def test_json_is_for_programs_and_pages_for_people(
    client: Client, headers: dict[str, str], is_json: bool
) -> None:
    answer = client.get("/v1/chat/completions", headers=headers)

    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("application/json") is is_json


@pytest.mark.django_db
def test_every_401_names_the_scheme(client: Client) -> None:
    refused = client.get("/proj_A1/v1/management/endpoints")
    unsigned = client.post("/api/key-scanning/report", "[]", content_type="application/json")

    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert unsigned.status_code != 401 or unsigned["WWW-Authenticate"]
