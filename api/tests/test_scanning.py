"""A key found in public is closed at once, its owners are told, and nobody can abuse the door."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core import mail
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey
from apikeys.services import revoke_key
from audit.models import AuditEntry
from common.rest import throttle
from inference.contracts import keys
from projects.models import Project
from projects.rules import Role
from tests.make import make_key, make_user, seat

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/key-scanning/report"
OURS, THEIRS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
PEM = OURS.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
RING = json.dumps(
    {"public_keys": [{"key_identifier": "k1", "key": PEM.decode(), "is_current": True}]}
)


def finding(token: str) -> dict[str, str]:
    return {"token": token, "type": "xerotier_api_key", "url": "https://x.test/a", "source": "c"}


def report(
    found: Any,
    *,
    key: ec.EllipticCurvePrivateKey | None = OURS,
    key_id: str = "k1",
    address: str = "192.0.2.79",
) -> Any:
    body = json.dumps(found)
    headers = {}
    if key is not None:
        signature = base64.b64encode(key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        headers = {
            "github-public-key-identifier": key_id,
            "github-public-key-signature": signature.decode(),
        }
    with override_settings(SCANNER_KEYS=RING):
        return Client(REMOTE_ADDR=address).post(
            URL, body, content_type="application/json", headers=headers
        )


def test_found_key_is_revoked_and_its_owners_are_told_once(acme: Project) -> None:
    seat(acme, make_user("viewer"), Role.VIEWER)
    issued = make_key(acme, name="ci")

    answers = [report([finding(issued.secret), finding("xero_acme_x")]) for _ in range(2)]

    digest = base64.b64encode(hashlib.sha256(issued.secret.encode()).digest()).decode()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()[0] == {
        "token_hash": digest,
        "token_type": "xerotier_api_key",
        "label": "true_positive",
    }
    assert answers[0].json()[1]["label"] == "false_positive"
    assert ApiKey.objects.get().revoked_at is not None
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]
    assert "https://x.test/a" in str(mail.outbox[0].body)
    assert issued.secret not in str(mail.outbox[0].body)
    entry = AuditEntry.objects.get(action="apikey.revoked")
    assert "https://x.test/a" in entry.after["reason"]
    assert entry.actor_id == "key-scanning"


def test_unsigned_report_counts_for_the_keys_it_holds(acme: Project) -> None:
    issued = make_key(acme)

    answer = report([finding(issued.secret)], key=None)

    assert answer.status_code == 200
    assert ApiKey.objects.get().revoked_at is not None


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"key": THEIRS}, "signature_invalid", id="another key"),
        pytest.param({"key_id": "k2"}, "signature_invalid", id="unknown key"),
        pytest.param({"key_id": ""}, "signature_invalid", id="nameless key"),
    ],
)
def test_wrong_signature_is_refused_even_with_a_real_key(
    acme: Project, options: dict[str, Any], code: str
) -> None:
    issued = make_key(acme)

    answer = report([finding(issued.secret)], **options)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert ApiKey.objects.get().revoked_at is None
    assert mail.outbox == []


def well_formed(number: int) -> str:
    """A text that only a look-up can tell from a key."""
    body = f"xero_acme_{number:043d}"
    return body + keys.checksum(body)


def test_long_report_without_a_signature_is_refused_before_anything_is_looked_up(
    acme: Project, django_assert_num_queries: Any
) -> None:
    issued = make_key(acme)
    found = [finding(issued.secret), *[finding(well_formed(n)) for n in range(10)]]

    with django_assert_num_queries(0):
        answer = report(found, key=None)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "report_unsigned")
    assert "10 findings" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("key", "count"), [(None, 10), (OURS, 1000)], ids=["anybody", "signed"])
def test_report_costs_one_look_up_however_long_it_is(acme: Project, key: Any, count: int) -> None:
    revoked = make_key(acme)
    revoke_key(key=revoked.key)
    found = [finding(revoked.secret), *[finding(well_formed(n)) for n in range(count - 1)]]

    with CaptureQueriesContext(connection) as asked:
        answer = report(found, key=key)

    assert answer.status_code == 200
    assert sum("apikeys_keysecret" in one["sql"] for one in asked) == 1
    assert len(asked) <= 4  # the look-up, its transaction, and as whom


def test_findings_of_an_address_are_counted_and_not_its_reports() -> None:
    throttle._client().delete("rate:finding:192.0.2.78")
    found = [finding(well_formed(n)) for n in range(10)]

    answers = [report(found, key=None, address="192.0.2.78") for _ in range(11)]

    assert {answer.status_code for answer in answers[:10]} == {401}
    assert answers[10].status_code == 429
    assert int(answers[10]["Retry-After"]) > 0


def test_unsigned_guess_learns_nothing_and_asks_the_database_nothing(
    acme: Project, django_assert_num_queries: Any
) -> None:
    make_key(acme)

    with django_assert_num_queries(0):
        answer = report([finding("xero_acme_" + "a" * 49)], key=None)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "report_unsigned")


@pytest.mark.parametrize(
    "found", [{}, [], "x", [{"type": "x"}], [{"token": 1, "type": []}], [[]], [finding("a")] * 1001]
)
def test_malformed_report_is_refused(found: Any) -> None:
    answer = report(found)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


def test_revoked_key_is_real_but_causes_no_second_mail(acme: Project) -> None:
    issued = make_key(acme)
    revoke_key(key=issued.key)

    assert report([finding(issued.secret)]).json()[0]["label"] == "true_positive"
    assert mail.outbox == []


def test_published_expression_is_the_one_we_use() -> None:
    text = (Path(__file__).parents[2] / "docs" / "key-scanning.md").read_text()

    assert keys._KEY.pattern in text
