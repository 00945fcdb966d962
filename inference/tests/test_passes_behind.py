"""A pass is held to the key that asked for it: its quota, its addresses, its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.contracts.entries import Grant
from inference.gate.passes import held_to

PASS = Grant(
    version=3,
    key_id="key_1",
    project="proj_A",
    scopes=("inference",),
    expires_at=300.0,
    endpoint="chat",
    behind="d" * 64,
)
KEY = Grant(version=9, key_id="key_1", project="proj_A", scopes=("management",))


def test_pass_carries_the_keys_quota_and_addresses_and_keeps_its_own_scope() -> None:
    key = replace(
        KEY,
        quota_requests=1,
        quota_window_s=60,
        ip_allow=("10.0.0.0/8",),
        ip_block=("10.1.0.0/16",),
    )

    held = held_to(PASS, key)

    assert held is not None
    assert (held.quota_requests, held.quota_window_s) == (1, 60)
    assert (held.ip_allow, held.ip_block) == (key.ip_allow, key.ip_block)
    assert (held.scopes, held.endpoint, held.key_id) == (PASS.scopes, "chat", "key_1")


@pytest.mark.parametrize(("theirs", "ends"), [(None, 300.0), (900.0, 300.0), (120.0, 120.0)])
def test_pass_ends_with_whichever_ends_first(theirs: float | None, ends: float) -> None:
    held = held_to(PASS, replace(KEY, expires_at=theirs))

    assert held is not None
    assert held.expires_at == ends


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(None, id="unknown"),
        pytest.param(replace(KEY, gone=True), id="revoked, or its project closed"),
        pytest.param(replace(KEY, project="proj_B"), id="another project's"),
    ],
)
def test_pass_of_no_live_key_is_nothing(key: Grant | None) -> None:
    assert held_to(PASS, key) is None
