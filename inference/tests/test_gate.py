"""The gate as tables: one row for each way in and each way out."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from inference.contracts.entries import Grant, Pool, Route, Terms, Worker
from inference.contracts.keys import checksum, is_key
from inference.gate import rules
from inference.gate.address import PLANE_PATH, is_plane_target, read_target
from inference.http.fields import Slo
from inference.http.problems import Refused

NOW = 1_800_000_000.0
GRANT = Grant(version=1, key_id="key_1", project="proj_A", scopes=("inference",))
TERMS = Terms("free", 1, None, None, 5, 30.0, 120.0, 10)
ROUTE = Route(
    version=1,
    project="proj_A",
    endpoint="chat",
    endpoint_id="ep_1",
    model="small",
    task="generate",
    terms=TERMS,
    pools=("a", "b"),
)
CHAT = read_target(b"/proj_A/chat/v1/chat/completions")


def code_of(act: Any, *arguments: Any) -> str:
    with pytest.raises(Refused) as refusal:
        act(*arguments)
    return refusal.value.code


@pytest.mark.parametrize(
    ("grant", "code"),
    [
        pytest.param(None, "invalid_api_key", id="unknown"),
        pytest.param(replace(GRANT, gone=True), "invalid_api_key", id="revoked"),
        pytest.param(replace(GRANT, expires_at=NOW), "invalid_api_key", id="expiring now"),
        pytest.param(replace(GRANT, scopes=()), "scope_insufficient", id="no scope"),
        pytest.param(replace(GRANT, scopes=("management",)), "scope_insufficient", id="another"),
        pytest.param(replace(GRANT, project="proj_B"), "cross_project_access", id="rival"),
        pytest.param(replace(GRANT, endpoint="other"), "endpoint_not_allowed", id="pinned"),
        pytest.param(replace(GRANT, ip_block=("1.2.3.4",)), "ip_not_allowed", id="blocked"),
        pytest.param(replace(GRANT, ip_allow=("9.0.0.0/8",)), "ip_not_allowed", id="not allowed"),
        pytest.param(
            replace(GRANT, ip_allow=("1.2.3.0/24",), ip_block=("1.2.3.4/32",)),
            "ip_not_allowed",
            id="blocked within what is allowed",
        ),
    ],
)
def test_grants_that_do_not_open(grant: Grant | None, code: str) -> None:
    assert code_of(rules.check_grant, grant, CHAT, "1.2.3.4", NOW) == code


@pytest.mark.parametrize(
    ("grant", "address"),
    [
        pytest.param(GRANT, "", id="anywhere, even nowhere"),
        pytest.param(replace(GRANT, expires_at=NOW + 0.001), "1.2.3.4", id="until its last moment"),
        pytest.param(replace(GRANT, endpoint="chat"), "1.2.3.4", id="pinned here"),
        pytest.param(replace(GRANT, ip_allow=("1.2.3.0/24",)), "1.2.3.4", id="allowed range"),
        pytest.param(replace(GRANT, ip_allow=("1.2.3.4",)), "::ffff:1.2.3.4", id="mapped address"),
        pytest.param(replace(GRANT, ip_block=("2001:db8::/32",)), "2001:db9::1", id="other range"),
    ],
)
def test_grants_that_open(grant: Grant, address: str) -> None:
    assert rules.check_grant(grant, CHAT, address, NOW) is grant


def test_address_that_is_none_passes_no_rule() -> None:
    grant = replace(GRANT, ip_block=("1.2.3.4",))

    assert code_of(rules.check_grant, grant, CHAT, "unknown", NOW) == "ip_not_allowed"


@pytest.mark.parametrize(
    "field",
    [b"", b"Bearer", b"Basic abc", b"Bearer sk-1", b"bearer xero_acme_" + b"0" * 49],
)
def test_credentials_that_have_not_the_form_of_a_key(field: bytes) -> None:
    assert code_of(rules.read_bearer, {b"authorization": field}) == "invalid_api_key"


def test_key_is_known_by_its_form_whatever_the_case_of_the_scheme() -> None:
    front = "xero_acme_" + "a" * 43
    key = (front + checksum(front)).encode()

    assert rules.read_bearer({b"authorization": b"bEARER  " + key}) == key


def test_no_single_mistyped_character_goes_unnoticed() -> None:
    front = "xero_my-project_" + "Zz9" * 14 + "q"
    key = front + checksum(front)

    wrong = [key[:at] + ("b" if key[at] != "b" else "c") + key[at + 1 :] for at in range(len(key))]

    assert is_key(key)
    assert not any(map(is_key, wrong))


def workers(*operations: str) -> tuple[Worker, ...]:
    return (Worker("wrk_1", "http://w/v1", "m", operations),)


@pytest.mark.parametrize(
    ("pools", "code"),
    [
        pytest.param([None, None], "endpoint_inactive", id="no pool was ever published"),
        pytest.param([Pool(1, "a", ())], "endpoint_inactive", id="empty pool"),
        pytest.param(
            [Pool(1, "a", workers("chat/completions"), gone=True)], "endpoint_inactive", id="gone"
        ),
        pytest.param(
            [Pool(1, "a", workers("completions"))], "operation_not_supported", id="other operation"
        ),
    ],
)
def test_pools_that_serve_nobody(pools: list[Pool | None], code: str) -> None:
    assert code_of(rules.find_workers, ROUTE, pools, CHAT) == code


def test_pools_keep_their_order_and_lose_who_can_not() -> None:
    able, unable = workers("chat/completions"), workers("completions")
    pools: list[Pool | None] = [Pool(1, "a", unable), None, Pool(1, "b", unable + able)]

    assert rules.find_workers(ROUTE, pools, CHAT) == [list(able)]


@pytest.mark.parametrize("value", [b"0", b"-1", b"soon", b"nan", b"inf", b"", b"1,2"])
def test_hints_that_are_no_positive_number(value: bytes) -> None:
    assert code_of(rules.read_slo, {b"x-slo-ttft-ms": value}) == "invalid_slo_header"


def test_hints_are_read() -> None:
    assert rules.read_slo({b"x-slo-tpot-ms": b"12.5"}) == Slo(None, 12.5)


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/proj_A/chat/v1", True),
        ("/proj_A/chat/v1/", True),
        ("/proj_A/chat/v1/models/x", True),
        ("/proj_A/v1/v1/models", False),
        ("/proj_A/v1/keys", False),
        ("/proj_A/chat/health", True),
        ("/proj_A/chat/health/x", False),
        ("/proj_A/chat/healthy", False),
        ("/proj_A/v1/health", False),
        ("/proj_A/chat/v11", False),
        ("/proj_/chat/v1", False),
        ("/proj_A/chat", False),
        ("/x/proj_A/chat/v1", False),
        ("/", False),
    ],
)
def test_the_plane_knows_its_paths_in_either_notation(path: str, is_ours: bool) -> None:
    assert (re.match(PLANE_PATH, path) is not None) == is_ours
    assert (is_plane_target(path.encode()) is not None) == is_ours
    assert (is_plane_target(path.encode() + b"?a=/v1/") is not None) == is_ours


@pytest.mark.parametrize(
    ("pool", "words"),
    [("own/proj_A/small", "No machine of this project"), ("shared/free/small", "No worker")],
)
def test_endpoint_without_a_machine_says_whose_would_be_needed(pool: str, words: str) -> None:
    route = replace(ROUTE, pools=(pool,))

    with pytest.raises(Refused) as refused:
        rules.find_workers(route, [None], CHAT)

    assert refused.value.code == "endpoint_inactive"
    assert words in refused.value.message
