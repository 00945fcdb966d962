"""A report is signed by a scanner we know, or it is not; what is neither is refused in words."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pytest_django import Settings

from apikeys.errors import SignatureInvalid
from apikeys.leaks import Finding, check_signature

OURS, THEIRS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
OTHER_KIND = ed25519.Ed25519PrivateKey.generate()
BODY = b'[{"token": "x"}]'


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


@pytest.fixture(autouse=True)
def ring(settings: Settings) -> None:
    keys = {"k1": pem(OURS), "k2": pem(OTHER_KIND)}
    said = [{"key_identifier": name, "key": key} for name, key in keys.items()]
    settings.SCANNER_KEYS = json.dumps({"public_keys": said})


def signed(body: bytes = BODY, key: ec.EllipticCurvePrivateKey = OURS) -> str:
    return base64.b64encode(key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()


def test_report_signed_by_a_key_we_know_is_signed() -> None:
    assert check_signature(BODY, "k1", signed()) is True


def test_report_without_a_signature_is_unsigned_and_no_forgery() -> None:
    assert check_signature(BODY, "", "") is False


@pytest.mark.parametrize(
    ("key_id", "signature", "says"),
    [
        ("nobody", signed(), "No key of this name"),
        ("", signed(), "No key of this name"),
        ("k2", signed(), "No key of this name"),
        ("k1", "", "does not fit"),
        ("k1", signed(key=THEIRS), "does not fit"),
        ("k1", signed(b"[]"), "does not fit"),
        ("k1", signed()[:-4], "does not fit"),
        ("k1", "no base64!", "does not fit"),
        ("k1", "ünsigned", "does not fit"),
        ("k1", "\u00e9" * 90, "does not fit"),
    ],
    # Made by chance: without names of their own two workers collect different tests.
    ids=[
        "nobody",
        "nameless",
        "other",
        "empty",
        "theirs",
        "another body",
        "cut",
        "words",
        "umlaut",
        "accents",
    ],
)
def test_signature_that_is_not_good_is_refused_whatever_its_letters(
    key_id: str, signature: str, says: str
) -> None:
    with pytest.raises(SignatureInvalid, match=says):
        check_signature(BODY, key_id, signature)


def test_without_any_known_scanner_nothing_is_signed(settings: Settings) -> None:
    settings.SCANNER_KEYS = ""

    assert check_signature(BODY, "", "") is False
    with pytest.raises(SignatureInvalid):
        check_signature(BODY, "k1", signed())


def test_what_was_found_does_not_stand_in_a_log() -> None:
    assert "xero_acme_s3" not in repr(Finding("xero_acme_s3", "key", "https://x", "c"))
