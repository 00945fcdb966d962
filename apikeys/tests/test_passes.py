"""Passes are signed by keys that rotate by themselves, and verified by what gateways know."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from rest_framework.test import APIClient

from apikeys import passes
from apikeys.models import ApiKey, SigningKey
from audit.models import AuditEntry
from common import clock
from inference.contracts import pass_keys
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat, session_of

NOW = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Hold time still at its last item."""
    moments = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moments[-1])
    return moments


@pytest.fixture
def manager(acme: Project) -> APIClient:
    key = make_key(acme, name="manager", scopes=("management",))
    return APIClient(headers={"authorization": f"Bearer {key.secret}"})


@pytest.fixture
def url(acme: Project) -> str:
    return f"/{acme.public_id}/v1/management/tokens"


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def kids(moment: datetime) -> list[str]:
    return [key["kid"] for key in passes.jwks(moment)["keys"]]


def test_pass_says_whose_it_is_and_what_it_opens(
    manager: APIClient, url: str, acme: Project, moment: list[datetime]
) -> None:
    make_endpoint(acme, "chat")

    made = manager.post(url, {"endpoint": "chat", "subject": "user-7"}, format="json")

    claims = claims_of(made.json()["token"])
    assert made.status_code == 201
    assert made.json()["expires_at"] == "2026-11-23T12:05:00Z"
    assert {name: claims[name] for name in ("sub", "project", "scopes", "endpoint", "aud")} == {
        "sub": "user-7",
        "project": acme.public_id,
        "scopes": ["inference"],
        "endpoint": "chat",
        "aud": "xerotier-inference",
    }
    assert claims["exp"] - claims["iat"] == 300
    assert claims["by"].startswith("key_")
    digests = ApiKey.objects.get(public_id=claims["by"]).secrets.values_list("digest", flat=True)
    assert claims["grant"] in digests


@pytest.mark.parametrize(
    ("said", "param"),
    [
        pytest.param({"scopes": ["management"]}, "scopes.0", id="management"),
        pytest.param({"scopes": []}, "scopes", id="no scope"),
        pytest.param({"project": "proj_x"}, "project", id="another project"),
        pytest.param({"expires_at": "2099-01-01T00:00:00Z"}, "expires_at", id="a longer life"),
        pytest.param({"subject": "a b"}, "subject", id="subject with a space"),
        pytest.param({"endpoint": "theirs"}, "endpoint", id="endpoint of another project"),
    ],
)
def test_pass_never_says_more_than_it_may(
    manager: APIClient, url: str, rival: Project, said: dict[str, Any], param: str
) -> None:
    make_endpoint(rival, "theirs")

    answer = manager.post(url, said, format="json")

    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["param"] == param
    assert not SigningKey.objects.exists()


def test_viewer_gets_no_pass_and_a_member_gets_one_in_their_name(acme: Project, url: str) -> None:
    answers = {}
    for role in (Role.VIEWER, Role.MEMBER):
        person = make_user(role)
        seat(acme, person, role)
        client = session_of(person)
        answers[role] = (client.post(url, {}, format="json"), person.pk)

    refused, _ = answers[Role.VIEWER]
    made, pk = answers[Role.MEMBER]
    assert refused.json()["error"]["code"] == "role_insufficient"
    assert claims_of(made.json()["token"])["by"] == f"person_{pk}"


def test_repeated_request_shows_no_pass(manager: APIClient, url: str) -> None:
    once = {"idempotency-key": "a"}
    first = manager.post(url, {}, format="json", headers=once).json()

    again = manager.post(url, {}, format="json", headers=once).json()

    assert first["token"].startswith("eyJ")
    assert again == {**first, "token": None}


def test_minting_is_in_the_audit_log_without_the_pass(manager: APIClient, url: str) -> None:
    token = manager.post(url, {}, format="json").json()["token"]

    entry = AuditEntry.objects.get(action="pass.minted")
    assert entry.after["scopes"] == ["inference"]
    assert token.rpartition(".")[2] not in str(vars(entry))


def test_private_half_is_sealed(manager: APIClient, url: str) -> None:
    manager.post(url, {}, format="json")

    key = SigningKey.objects.get()
    assert key.sealed.startswith("gAAAA")
    assert key.x not in key.sealed
    shown = Client().get("/.well-known/jwks.json").json()["keys"]
    assert shown == [
        {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": key.x}
    ]


@pytest.mark.django_db(transaction=True)
def test_gateways_know_the_key_before_the_first_pass_is_shown(
    valkey: redis.Redis, manager: APIClient, url: str
) -> None:
    token = manager.post(url, {}, format="json").json()["token"]

    known = pass_keys.load(str(valkey.get(pass_keys.NAME)))
    head = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert [key.kid for key in known.keys] == [head["kid"]]
    assert (known.issuer, known.audience) == ("http://localhost:8000", "xerotier-inference")


def test_keys_rotate_with_an_overlap_on_both_sides(db: None, moment: list[datetime]) -> None:
    assert passes.rotate_signing_key()
    first = SigningKey.objects.get()
    moment.append(NOW + timedelta(days=30) - timedelta(seconds=1))
    assert not passes.rotate_signing_key()

    moment.append(NOW + timedelta(days=30))
    assert passes.rotate_signing_key()

    second = SigningKey.objects.exclude(pk=first.pk).get()
    begins = moment[-1] + timedelta(minutes=10)
    assert (second.signs_from, second.ends_at) == (begins, None)
    assert set(kids(moment[-1])) == {first.kid, second.kid}
    assert passes._present_key(begins - timedelta(seconds=1)) == first
    assert passes._present_key(begins) == second
    last = begins + timedelta(minutes=5, seconds=30)
    assert set(kids(last - timedelta(seconds=1))) == {first.kid, second.kid}
    assert kids(last) == [second.kid]
    first.refresh_from_db()
    assert first.version == 2


def test_second_beat_makes_no_second_key(db: None, moment: list[datetime]) -> None:
    assert passes.rotate_signing_key()
    moment.append(NOW + timedelta(days=30))

    assert [passes.rotate_signing_key() for _ in range(3)] == [True, False, False]
    assert SigningKey.objects.count() == 2
