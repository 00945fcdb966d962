"""What the control plane signs, the data plane takes: the two ends of a pass meet."""

from __future__ import annotations

import time

import pytest
import redis
from django.test import override_settings

from apikeys.passes import mint_pass
from common.actor import Actor, ActorKind
from inference.contracts import pass_keys
from inference.gate.passes import looks_like_pass, verify
from projects.models import Project
from tests.make import make_endpoint

BY = Actor(ActorKind.KEY, "key_Ab3dE5fG7hJ9", "ci")


@pytest.mark.django_db(transaction=True)
def test_minted_pass_is_good_at_the_gateway_until_its_end_and_no_longer(
    valkey: redis.Redis, acme: Project
) -> None:
    minted = mint_pass(project=acme, by=BY, endpoint=make_endpoint(acme, "chat"))

    known = pass_keys.load(str(valkey.get(pass_keys.NAME)))
    token = minted.token.encode()
    grant = verify(token, known, time.time())
    assert looks_like_pass(token)
    assert grant is not None
    assert (grant.project, grant.endpoint, grant.scopes, grant.key_id) == (
        acme.public_id,
        "chat",
        ("inference",),
        "key_Ab3dE5fG7hJ9",
    )
    end = minted.expires_at.timestamp() + pass_keys.SKEW_S
    assert verify(token, known, end - 0.01) is not None
    assert verify(token, known, end) is None


@pytest.mark.django_db(transaction=True)
def test_pass_of_another_platform_is_nothing(valkey: redis.Redis, acme: Project) -> None:
    mint_pass(project=acme, by=BY)
    known = pass_keys.load(str(valkey.get(pass_keys.NAME)))
    with override_settings(PUBLIC_URL="https://elsewhere.test"):
        token = mint_pass(project=acme, by=BY).token.encode()

    assert verify(token, known, time.time()) is None
