"""What a careful attacker would try at the management API's door and inside it."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from apikeys import secrets, selectors
from apikeys.models import ApiKey, KeySecret
from audit.models import AuditEntry
from common import ids
from common.models import IdempotentAnswer, OutboxEntry
from endpoints.models import Endpoint
from inference.contracts.keys import checksum
from projects.models import Project
from tests.make import make_endpoint, make_key

MILLION = 1_000_000
PAYLOADS = [
    "'; DROP TABLE apikeys_apikey; --",
    "{{ 7*7 }}{% debug %}",
    "<script>alert(1)</script>",
    "%s %(name)s {0}",
    "=HYPERLINK('http://x.test')",
]


def well_formed() -> str:
    body = f"xero_acme_{ids.random_base62(43)}"
    return body + checksum(body)


@pytest.mark.slow  # A million texts are read: some seconds.
def test_million_malformed_keys_cost_no_question_to_the_database(
    db: None, django_assert_num_queries: Any
) -> None:
    good, alphabet = well_formed(), "abcdefghij"
    with django_assert_num_queries(0):
        found = sum(
            bool(secrets.digests(f"{good[:-8]}{alphabet[number % 10]}{number:07}"))
            for number in range(MILLION)
        )

    # Six characters of checksum let about one in 57 billion through.
    assert found == 0


@pytest.mark.parametrize(
    "shown", ["", "x", "sk-1", "xero_acme_", "xero_acme_" + "a" * 49, "é" * 60]
)
def test_malformed_key_is_refused_at_the_door_without_a_question(
    home: str, shown: str, django_assert_num_queries: Any
) -> None:
    client = APIClient(headers={"authorization": f"Bearer {shown}".encode().decode("latin-1")})

    with django_assert_num_queries(0):
        answer = client.get(f"{home}/api-keys")

    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_check_of_a_key_takes_no_path_that_depends_on_the_secret(acme: Project, home: str) -> None:
    key = make_key(acme, scopes=("management",)).secret
    first = key[:10] + ("b" if key[10] == "a" else "a") + key[11:-6]
    last = key[:-7] + ("b" if key[-7] == "a" else "a")
    shapes = []
    for guess in (first, last, well_formed()[:-6]):
        shown = guess + checksum(guess)
        with CaptureQueriesContext(connection) as asked:
            APIClient(headers={"authorization": f"Bearer {shown}"}).get(f"{home}/api-keys")
        (one,) = [query["sql"] for query in asked.captured_queries if " FROM " in query["sql"]]
        assert shown not in one
        digests = secrets.digests(shown)
        assert all(digest in one for digest in digests)
        shapes.append(one.replace(digests[0], "?"))

    # Only a keyed digest is ever compared: how far a guess is right can't be seen in time.
    assert len(set(shapes)) == 1


def test_digest_is_keyed_by_the_pepper(acme: Project) -> None:
    issued = make_key(acme)

    kept = KeySecret.objects.get().digest
    assert kept in secrets.digests(issued.secret)
    assert kept != hashlib.sha256(issued.secret.encode()).hexdigest()


@pytest.mark.parametrize(
    "extra", ["id", "public_id", "project", "project_id", "slug", "model", "version", "created_by"]
)
def test_endpoint_takes_no_field_that_is_not_offered(
    manager: APIClient, home: str, acme: Project, extra: str
) -> None:
    endpoint = make_endpoint(acme, "chat")
    before = Endpoint.objects.values().get(pk=endpoint.pk)

    answer = manager.patch(
        f"{home}/endpoints/chat", {extra: "x"}, format="json", headers={"if-match": "*"}
    )

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, extra)
    assert Endpoint.objects.values().get(pk=endpoint.pk) == before


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_name_is_text_wherever_it_goes(
    manager: APIClient, home: str, acme: Project, ada: User, payload: str
) -> None:
    made = manager.post(f"{home}/api-keys", {"name": payload}, format="json")
    page = Client()
    page.force_login(ada)
    shown = page.get(f"/dashboard/{acme.public_id}/keys/").content.decode()

    assert (made.status_code, made.json()["name"]) == (201, payload)
    assert ApiKey.objects.filter(name=payload).count() == 1
    assert "<script>alert(1)" not in shown
    assert "49{" not in shown
    again = manager.post(f"{home}/api-keys", {"name": payload}, format="json")
    assert again.json()["error"]["code"] == "key_name_taken"
    assert "\n" not in str(again.headers)


@pytest.mark.django_db(transaction=True)
def test_secrets_are_nowhere_but_in_the_one_answer(
    manager: APIClient,
    home: str,
    acme: Project,
    valkey: redis.Redis,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    manager.raise_request_exception = False
    once = {"idempotency-key": "a"}
    made = manager.post(f"{home}/api-keys", {"name": "ci"}, format="json", headers=once).json()
    url = f"{home}/api-keys/{made['id']}"
    rotated = manager.post(f"{url}/rotate", {}, format="json", headers={"idempotency-key": "b"})
    minted = manager.post(f"{home}/tokens", {}, format="json", headers={"idempotency-key": "c"})
    shown = [made["secret"], rotated.json()["secret"], minted.json()["token"]]
    for secret in shown:
        APIClient(headers={"authorization": f"Bearer {secret}"}).get(f"{home}/api-keys")
    with monkeypatch.context() as patch:
        patch.setattr(selectors, "keys_of", None)
        broken = manager.get(url)
    manager.delete(url)

    assert broken.status_code == 500
    rows = [
        str(list(model.objects.values_list()))
        for model in (ApiKey, KeySecret, AuditEntry, OutboxEntry, IdempotentAnswer)
    ]
    kept = [str(valkey.dump(name)) + str(valkey.get(name)) for name in _strings(valkey)]
    places = [caplog.text, broken.content.decode(), *rows, *kept]
    assert kept
    assert [place[:200] for place in places if any(s[-24:] in place for s in shown)] == []


def _strings(valkey: redis.Redis) -> list[str]:
    names: Any = valkey.scan_iter()
    return [str(name) for name in names if str(valkey.type(name)) == "string"]


def test_bearer_is_not_read_from_the_address(acme: Project, home: str) -> None:
    key = make_key(acme, scopes=("management",)).secret

    for query in (f"api_key={key}", f"access_token={key}", f"token={key}"):
        assert APIClient().get(f"{home}/api-keys?{query}").status_code in {400, 401}
