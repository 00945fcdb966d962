"""Nobody is taken for an agent without its key and a token of the platform's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inference.contracts import pass_keys
from inference.contracts.agents import SKEW_S
from inference.contracts.pass_keys import PassKeys
from inference.fleet.tunnel.trust import (
    BAD,
    GONE,
    GOOD,
    UNSURE,
    Trust,
    Vouched,
    is_signed,
    proof_of,
    thumb_of,
)
from inference.gate.passes import verify
from inference.tests.identities import NOW, Identity, Platform


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def agent(platform: Platform) -> Identity:
    return Identity(platform)


def vouch(platform: Platform, token: str, key: bytes, now: float = NOW) -> Vouched:
    [vouched] = judged(platform, token, key, now)
    return vouched


def judged(platform: Platform, token: str, key: bytes, now: float) -> list[Vouched]:
    said: list[Vouched] = []
    Trust(platform.resolve, lambda: now).vouch(token, key, said.append)
    return said


def test_good_token_with_its_key_names_the_agent_and_its_entry(
    platform: Platform, agent: Identity
) -> None:
    vouched = vouch(platform, agent.token(), agent.public)

    assert (vouched.verdict, vouched.entry) == (GOOD, agent.entry)
    assert vouched.papers is not None
    assert (vouched.papers.agent, vouched.papers.ends_at) == ("agt_1", NOW + 3000)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": pass_keys.AUDIENCE},
        {"aud": ["xerotier-agent"]},
        {"iss": "https://elsewhere.test"},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a" * 65},
        {"jkt": thumb_of(b"k" * 32)},
        {"jkt": None},
        {"exp": NOW - SKEW_S},
        {"exp": NOW + 4000},
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("nan")},
        {"iat": NOW + SKEW_S + 1},
        {"iat": None},
    ],
    ids=str,
)
def test_token_that_says_anything_else_is_not_good(
    platform: Platform, agent: Identity, change: dict[str, Any]
) -> None:
    assert vouch(platform, agent.token(**change), agent.public) == Vouched(BAD)


@pytest.mark.parametrize("head", [{"alg": "none"}, {"kid": "k2"}, {"crit": ["a"]}], ids=str)
def test_head_of_a_token_chooses_nothing(
    platform: Platform, agent: Identity, head: dict[str, Any]
) -> None:
    token = platform.token(agent.claims(), head)

    assert vouch(platform, token, agent.public).verdict == BAD


@pytest.mark.parametrize("token", ["", "a.b.c", "é.é.é", "\ud800", "a" * 5000], ids=ascii)
def test_what_is_no_token_is_not_good(platform: Platform, agent: Identity, token: str) -> None:
    assert vouch(platform, token, agent.public).verdict == BAD


def test_token_of_another_platform_is_not_good(platform: Platform, agent: Identity) -> None:
    assert vouch(platform, Identity(Platform()).token(), agent.public).verdict == BAD


def test_pass_is_no_token_and_a_token_no_pass(platform: Platform, agent: Identity) -> None:
    keys = platform.entries[pass_keys.NAME]
    assert isinstance(keys, PassKeys)

    assert verify(agent.token().encode(), keys, NOW) is None


def test_token_with_another_key_is_not_good(platform: Platform, agent: Identity) -> None:
    assert vouch(platform, agent.token(), Identity(platform, "b").public).verdict == BAD


def test_revoked_agent_is_gone_and_one_that_is_not_published_not_good(
    platform: Platform, agent: Identity
) -> None:
    platform.publish(replace(agent.entry, version=2, gone=True))
    assert vouch(platform, agent.token(), agent.public).verdict == GONE

    platform.entries.pop("agent:agt_1")
    assert vouch(platform, agent.token(), agent.public).verdict == BAD


def test_nobody_is_judged_while_nobody_can_be_asked(platform: Platform, agent: Identity) -> None:
    platform.is_away = True

    assert vouch(platform, agent.token(), agent.public) == Vouched(UNSURE)


def test_proof_is_of_this_gateway_this_nonce_and_this_token(agent: Identity) -> None:
    proof = proof_of("gtw", b"n" * 32, "token")
    signature = agent.key.sign(proof)

    assert is_signed(agent.public, signature, proof)
    for other in (
        proof_of("gtx", b"n" * 32, "token"),
        proof_of("gtw", b"m" * 32, "token"),
        proof_of("gtw", b"n" * 32, "other"),
    ):
        assert not is_signed(agent.public, signature, other)
    assert not is_signed(b"\xff" * 32, signature, proof)
