"""Passes at the door: a signed JWT opens what its project's keys would, and nothing else."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inference.contracts import pass_keys
from inference.contracts.keys import digest_of
from inference.contracts.names import CHANGES
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, PEPPER, PROJECT, RIVAL, World

pytestmark = pytest.mark.anyio

OURS = Ed25519PrivateKey.generate()


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def make_pass(key: Ed25519PrivateKey = OURS, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "https://platform",
        "aud": pass_keys.AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "sub": "usr_1",
        "jti": "1",
        "by": "key_Ada",
        "project": PROJECT,
        "scopes": ["inference"],
        "endpoint": None,
        **changes,
    }
    head = {"alg": "EdDSA", "typ": "JWT", "kid": "k1"}
    signed = f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}"
    return f"{signed}.{text(key.sign(signed.encode()))}"


@pytest.fixture
def signers(world: World) -> None:
    key = pass_keys.PassKey("k1", text(OURS.public_key().public_bytes_raw()))
    keys = pass_keys.PassKeys(1, "https://platform", pass_keys.AUDIENCE, (key,))
    world.valkey.set(pass_keys.NAME, pass_keys.dump(keys))
    world.valkey.publish(CHANGES, json.dumps({"key": pass_keys.NAME, "version": 1}))


@pytest.mark.usefixtures("signers")
async def test_good_pass_opens_and_is_booked_on_whoever_signed_for_it(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    good = make_pass()

    said = [(await running.ask(request(CHAT, ASK, key=good))).status for _ in range(2)]

    assert said == [200, 200]
    await until(lambda: len(world.events()) == 2)
    assert {event["key_id"] for event in world.events()} == {"key_Ada"}


BEHIND = digest_of(KEY.encode(), PEPPER)


@pytest.mark.usefixtures("signers")
@pytest.mark.parametrize(
    ("changes", "statuses"),
    [
        pytest.param({"quota_requests": 1, "quota_window_s": 60}, [200, 429], id="quota"),
        pytest.param({"ip_block": ("127.0.0.0/8",)}, [403, 403], id="addresses"),
        pytest.param({"gone": True}, [401, 401], id="revoked, or its project closed"),
        pytest.param({"expires_at": 1.0}, [401, 401], id="expired"),
        pytest.param({"scopes": ("management",)}, [200, 200], id="its scopes are its own"),
    ],
)
async def test_pass_is_held_to_the_rules_of_the_key_behind_it(
    running: Running, hire: Hire, world: World, changes: dict[str, Any], statuses: list[int]
) -> None:
    await hire([answer(completion())])
    world.grant(version=2, **changes)
    good = make_pass(grant=BEHIND)

    said = [(await running.ask(request(CHAT, ASK, key=good))).status for _ in range(2)]

    assert said == statuses


@pytest.mark.usefixtures("signers")
async def test_pass_ends_with_its_key_within_a_second(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    good = make_pass(grant=BEHIND)
    before = await running.ask(request(CHAT, ASK, key=good))

    world.grant(version=2, gone=True)

    async def status() -> int:
        return (await running.ask(request(CHAT, ASK, key=good))).status

    assert before.status == 200
    with anyio.fail_after(1):
        while await status() != 401:
            await anyio.sleep(0.02)


@pytest.mark.usefixtures("signers")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"key": Ed25519PrivateKey.generate()}, "invalid_api_key", id="forged"),
        pytest.param({"exp": 1_000_000_000}, "invalid_api_key", id="over"),
        pytest.param({"scopes": []}, "scope_insufficient", id="without the scope"),
        pytest.param({"project": RIVAL}, "cross_project_access", id="another project's"),
        pytest.param({"endpoint": "other"}, "endpoint_not_allowed", id="for another endpoint"),
    ],
)
async def test_other_passes_do_not(
    running: Running, hire: Hire, world: World, changes: dict[str, Any], code: str
) -> None:
    worker = await hire([answer(completion())])

    heard = await running.ask(request(CHAT, ASK, key=make_pass(**changes)))

    assert heard.error["code"] == code
    assert (worker.asked, world.events()) == ([], [])


async def test_no_pass_is_good_where_no_signer_is_known(running: Running) -> None:
    # Before that a gateway does not know whether it knows all, and says so (503).
    await until(lambda: running.gateway.admission.limiter.is_restored)

    heard = await running.ask(request(CHAT, ASK, key=make_pass()))

    assert (heard.status, heard.error["code"]) == (401, "invalid_api_key")
