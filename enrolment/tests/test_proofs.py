"""Proofs of machines: what is signed, by which key, for what, and what is no key at all."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from enrolment import proofs

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = proofs.encoded(KEY.public_key().public_bytes_raw())
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def signed(message: bytes, key: Ed25519PrivateKey = KEY) -> str:
    return proofs.encoded(key.sign(message))


@pytest.mark.parametrize("raw", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64url_goes_there_and_back_without_padding(raw: bytes) -> None:
    text = proofs.encoded(raw)

    assert "=" not in text
    assert proofs.decoded(text) == raw


@pytest.mark.parametrize(
    "text",
    ["a", "ab=", "YQ==", "a b", "ab+/", "Y\n", "é", "YR", "\0\0\0"],
    ids=[
        "one",
        "padded",
        "twice padded",
        "space",
        "other alphabet",
        "line",
        "umlaut",
        "loose",
        "nul",
    ],
)
def test_text_that_is_not_the_one_way_to_write_bytes_is_none(text: str) -> None:
    assert proofs.decoded(text) is None


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_key_has_32_bytes(size: int) -> None:
    assert proofs.is_key(PUBLIC)
    assert not proofs.is_key(proofs.encoded(bytes(size)))
    assert not proofs.is_signed(proofs.encoded(bytes(size)), signed(b"x"), b"x")


def test_thumbprint_is_the_digest_of_the_raw_key() -> None:
    digest = hashlib.sha256(KEY.public_key().public_bytes_raw()).digest()

    assert proofs.thumbprint(PUBLIC) == proofs.encoded(digest)


def test_signature_holds_for_its_own_message_and_key() -> None:
    message = proofs.of_joining("xjk_acme_secret")

    assert proofs.is_signed(PUBLIC, signed(message), message)
    assert not proofs.is_signed(PUBLIC, signed(message, OTHER), message)
    assert not proofs.is_signed(PUBLIC, signed(message), proofs.of_joining("xjk_acme_other"))
    assert not proofs.is_signed(PUBLIC, signed(message)[:-2], message)
    assert not proofs.is_signed(PUBLIC, "", message)
    assert not proofs.is_signed("no key", signed(message), message)


def test_signature_for_one_thing_opens_no_other() -> None:
    labels = [proofs.ENROL, proofs.REFRESH, proofs.LEAVE]
    messages = {label: proofs.of_agent(label, "agt_1", 1.5) for label in labels}

    for label, message in messages.items():
        others = [other for name, other in messages.items() if name != label]
        assert not any(proofs.is_signed(PUBLIC, signed(message), other) for other in others)


@pytest.mark.parametrize(
    ("agent", "at"), [("agt_2", 1.5), ("agt_1", 1.501), ("agt_1", -1.5), ("agt_11", 0.5)]
)
def test_signature_names_the_machine_and_the_millisecond(agent: str, at: float) -> None:
    mine = proofs.of_agent(proofs.REFRESH, "agt_1", 1.5)

    assert mine == b"xerotier-agent-refresh\0agt_1\x001500"
    assert proofs.of_agent(proofs.REFRESH, agent, at) != mine


def test_join_key_is_signed_by_its_digest_and_never_sent_in_the_proof() -> None:
    message = proofs.of_joining("xjk_acme_secret")

    assert b"secret" not in message
    assert message.startswith(b"xerotier-agent-enroll\0")
    assert len(message) == len(b"xerotier-agent-enroll\0") + 32
