"""A pass opens exactly what it says, for five minutes, if we signed it; else nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from inference.contracts.entries import Grant
from inference.contracts.pass_keys import PassKey, PassKeys, dump, load
from inference.gate.passes import PassBook, looks_like_pass, verify

NOW = 1_800_000_000.0
OURS, THEIRS = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public(key: Ed25519PrivateKey) -> str:
    return text(key.public_key().public_bytes_raw())


KEYS = PassKeys(
    version=3,
    issuer="https://x.test",
    audience="xerotier-inference",
    keys=(PassKey("sig_1", public(OURS)), PassKey("sig_0", public(OURS), until=NOW)),
)
HEAD = {"alg": "EdDSA", "typ": "JWT", "kid": "sig_1"}
CLAIMS = {
    "iss": "https://x.test",
    "aud": "xerotier-inference",
    "sub": "user-7",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 300,
    "jti": "jti_1",
    "by": "key_1",
    "project": "proj_A",
    "scopes": ["inference"],
    "endpoint": "chat",
}


def signed(head: Any = HEAD, claims: Any = CLAIMS, key: Ed25519PrivateKey = OURS) -> bytes:
    body = f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}"
    return f"{body}.{text(key.sign(body.encode()))}".encode()


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def test_good_pass_becomes_a_grant() -> None:
    assert verify(signed(), KEYS, NOW) == Grant(
        version=3,
        key_id="key_1",
        project="proj_A",
        scopes=("inference",),
        expires_at=NOW + 330,
        endpoint="chat",
    )


def test_pass_without_a_pin_opens_every_endpoint_of_its_project() -> None:
    grant = verify(signed(claims={**CLAIMS, "endpoint": None}), KEYS, NOW)

    assert grant is not None
    assert grant.endpoint is None


def _hmac_confusion() -> bytes:
    """Sign with HMAC, the public key as secret: the classic confusion of algorithms."""
    body = (
        f"{text(json.dumps({**HEAD, 'alg': 'HS256'}).encode())}.{text(json.dumps(CLAIMS).encode())}"
    )
    raw = OURS.public_key().public_bytes_raw()
    return f"{body}.{text(hmac.digest(raw, body.encode(), hashlib.sha256))}".encode()


def _unsigned(alg: str) -> bytes:
    head = {**HEAD, "alg": alg}
    return f"{text(json.dumps(head).encode())}.{text(json.dumps(CLAIMS).encode())}.".encode()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(_unsigned("none"), id="alg none"),
        pytest.param(_unsigned("None"), id="alg None"),
        pytest.param(_unsigned("EdDSA"), id="no signature"),
        pytest.param(_hmac_confusion(), id="HMAC with the public key"),
        pytest.param(signed({**HEAD, "alg": "Ed25519"}), id="another name of the algorithm"),
        pytest.param(signed({**HEAD, "alg": ["EdDSA"]}), id="list of algorithms"),
        pytest.param(signed(key=THEIRS), id="another key"),
        pytest.param(signed({**HEAD, "kid": "sig_2"}), id="unknown kid"),
        pytest.param(signed({**HEAD, "kid": ["sig_1"]}), id="kid of another type"),
        pytest.param(signed({"alg": "EdDSA"}), id="no kid"),
        pytest.param(signed({**HEAD, "kid": "sig_0"}), id="retired key"),
        pytest.param(signed({**HEAD, "crit": ["b64"], "b64": False}), id="critical extension"),
        pytest.param(signed({**HEAD, "typ": "at+jwt"}), id="another kind of token"),
        pytest.param(
            signed({"alg": "EdDSA", "jwk": {"kty": "OKP", "x": public(THEIRS)}}, key=THEIRS),
            id="key brought along",
        ),
        pytest.param(signed(claims={**CLAIMS, "aud": "other"}), id="another audience"),
        pytest.param(signed(claims={**CLAIMS, "aud": [KEYS.audience]}), id="list of audiences"),
        pytest.param(signed(claims={**CLAIMS, "iss": "https://y.test"}), id="another issuer"),
        pytest.param(signed(claims={**CLAIMS, "exp": NOW + 301}), id="lives too long"),
        pytest.param(signed(claims={**CLAIMS, "exp": NOW}), id="never lived"),
        pytest.param(signed(claims={**CLAIMS, "exp": str(NOW + 300)}), id="time as text"),
        pytest.param(signed(claims={**CLAIMS, "exp": True}), id="time as a yes"),
        pytest.param(signed(claims={**CLAIMS, "project": 7}), id="project as a number"),
        pytest.param(signed(claims={**CLAIMS, "scopes": "inference"}), id="scopes as text"),
        pytest.param(signed(claims={**CLAIMS, "scopes": [1]}), id="scopes of numbers"),
        pytest.param(signed(claims={**CLAIMS, "endpoint": 7}), id="endpoint as a number"),
        pytest.param(signed(claims=["x"]), id="claims are no object"),
        pytest.param(signed(claims={**CLAIMS, "pad": "x" * 4096}), id="too long"),
        pytest.param(signed()[:-2] + b"!!", id="no base64"),
        pytest.param(signed() + b"=", id="padded"),
        pytest.param(signed() + b".x", id="four parts"),
        pytest.param(b"eyJ.eyJ.x", id="broken JSON"),
        pytest.param(text(b"[" * 2000).encode() + b".e30.e30", id="deep"),
        pytest.param("eyJ.ä.x".encode(), id="not ASCII"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_bad_pass_is_nothing(token: bytes) -> None:
    assert verify(token, KEYS, NOW) is None


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - {"endpoint"}))
def test_every_claim_is_needed(name: str) -> None:
    assert verify(signed(claims=without(name)), KEYS, NOW) is None


@pytest.mark.parametrize(
    ("at", "is_good"),
    [
        pytest.param(NOW - 30.5, False, id="before it began"),
        pytest.param(NOW - 30, True, id="clock behind by the skew"),
        pytest.param(NOW + 329.5, True, id="clock ahead by the skew"),
        pytest.param(NOW + 330, False, id="over"),
    ],
)
def test_clocks_may_be_apart_by_the_skew_and_no_more(at: float, is_good: bool) -> None:
    assert (verify(signed(), KEYS, at) is not None) is is_good


def test_not_before_is_kept() -> None:
    later = signed(claims={**CLAIMS, "nbf": NOW + 100})

    assert verify(later, KEYS, NOW + 69) is None
    assert verify(later, KEYS, NOW + 70) is not None


def test_second_text_for_the_same_signature_is_refused() -> None:
    body, _, signature = signed().decode().rpartition(".")
    twin = next(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c != signature[-1])

    assert verify(f"{body}.{signature[:-1]}{twin}".encode(), KEYS, NOW) is None


@given(st.binary(max_size=200))
def test_noise_is_nothing_and_never_a_crash(noise: bytes) -> None:
    assert verify(noise, KEYS, NOW) is None
    assert verify(b"eyJ." + noise + b".x", KEYS, NOW) is None


@given(st.integers(0, len(signed()) - 1), st.integers(1, 255))
def test_one_changed_byte_breaks_it(place: int, by: int) -> None:
    token = bytearray(signed())
    token[place] ^= by

    assert verify(bytes(token), KEYS, NOW) is None


def test_form_tells_a_pass_from_a_key() -> None:
    assert looks_like_pass(signed())
    assert not looks_like_pass(b"xero_acme_" + b"a" * 49)
    assert not looks_like_pass(b"eyJhbGciOiJub25lIn0")


def test_book_checks_a_signature_once_and_time_always(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []

    def counted(token: bytes, keys: PassKeys, now: float) -> Grant | None:
        calls.append(token)
        return verify(token, keys, now)

    monkeypatch.setattr("inference.gate.passes.verify", counted)
    book = PassBook()

    found = [book.read(signed(), KEYS, at) is not None for at in (NOW, NOW + 1, NOW + 330)]

    assert (found, len(calls)) == ([True, True, False], 1)


def test_book_forgets_everything_when_the_keys_change() -> None:
    book = PassBook()
    assert book.read(signed(), KEYS, NOW) is not None

    changed = replace(KEYS, version=4, keys=())

    assert book.read(signed(), changed, NOW) is None


def test_bad_passes_push_no_good_one_out() -> None:
    book = PassBook(size=1)
    book.read(signed(), KEYS, NOW)

    book.read(signed(key=THEIRS), KEYS, NOW)

    assert list(book._grants) == [signed()]


def test_keys_survive_the_journey() -> None:
    assert load(dump(KEYS)) == KEYS
