"""The gate as tables: one row for each way in and each way out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference.contracts.entries import Grant, Pool, Route, Terms, Worker
from inference.contracts.keys import checksum, is_key
from inference.gate import rules
from inference.gate.address import is_plane_target, read_target
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
def test_the_plane_knows_its_paths_and_proxies_are_told_the_same(path: str, is_ours: bool) -> None:
    assert (re.match(pattern_of_proxies(), path) is not None) == is_ours
    assert (is_plane_target(path.encode()) is not None) == is_ours
    assert (is_plane_target(path.encode() + b"?a=/v1/") is not None) == is_ours


def pattern_of_proxies() -> str:
    page = Path(__file__).parents[2] / "docs" / "install.md"
    [pattern] = re.findall(r"location ~ (\^/proj_\S+) \{", page.read_text(encoding="utf-8"))
    return str(pattern)


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


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (b"/proj_A/chat/v1/chat/completions", ("POST", "OPTIONS")),
        (b"/proj_A/chat/v1/models", ("GET", "HEAD", "OPTIONS")),
        (b"/proj_A/chat/health", ("GET", "HEAD", "OPTIONS")),
    ],
)
def test_method_that_a_place_does_not_take_is_told_the_ones_it_does(
    path: bytes, methods: tuple[str, ...]
) -> None:
    target = read_target(path)

    for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
        if method in methods:
            rules.read_method(target, method.encode())
            continue
        with pytest.raises(Refused) as refused:
            rules.read_method(target, method.encode())
        assert refused.value.code == "method_not_allowed"
        assert refused.value.message == f"Use {methods[0]} here."
        assert (b"allow", ", ".join(methods).encode()) in refused.value.headers()


def test_place_that_is_unknown_takes_any_method_to_say_so() -> None:
    unknown = read_target(b"/proj_A/chat/v1/nonsense")

    rules.read_method(unknown, b"PATCH")

    assert rules.allowed_here(unknown) == ("OPTIONS",)


@pytest.mark.parametrize(
    ("route", "code"),
    [
        (None, "endpoint_not_found"),
        (replace(ROUTE, gone=True), "endpoint_not_found"),
        (replace(ROUTE, suspended="Too loud"), "project_suspended"),
    ],
)
def test_endpoints_that_are_not_open(route: Route | None, code: str) -> None:
    assert code_of(rules.check_route, route, CHAT) == code


def test_endpoint_that_is_open_is_found() -> None:
    assert rules.check_route(ROUTE, CHAT) is ROUTE


@pytest.mark.parametrize(
    ("route", "path", "code"),
    [
        (replace(ROUTE, paused=True), b"chat/completions", "endpoint_inactive"),
        (replace(ROUTE, terms=replace(TERMS, monthly_tokens=0)), b"completions", "quota_exceeded"),
        (ROUTE, b"embeddings", "operation_not_supported"),
        (ROUTE, b"nonsense", "operation_not_supported"),
        (replace(ROUTE, task="embed"), b"chat/completions", "operation_not_supported"),
    ],
)
def test_operations_that_an_endpoint_does_not_do_now(route: Route, path: bytes, code: str) -> None:
    target = read_target(b"/proj_A/chat/v1/" + path)

    assert code_of(rules.check_operation, route, target) == code


@pytest.mark.parametrize("monthly_tokens", [None, 1])
def test_operation_of_the_endpoints_task_goes_on(monthly_tokens: int | None) -> None:
    route = replace(ROUTE, terms=replace(TERMS, monthly_tokens=monthly_tokens))

    rules.check_operation(route, CHAT)


@pytest.mark.parametrize(
    ("path", "words"),
    [(b"/proj_A/chat/v1", "This is a base URL"), (b"/proj_A/chat/v1/nonsense", "'nonsense'")],
)
def test_what_is_no_operation_is_said_to_be_what_it_is(path: bytes, words: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.check_operation(ROUTE, read_target(path))

    assert words in refused.value.message


@pytest.mark.parametrize(
    ("names", "is_own"), [((), False), (("own/a", "shared/b"), False), (("own/a", "own/b"), True)]
)
def test_machines_of_ones_own_are_asked_for_only_where_no_others_would_do(
    names: tuple[str, ...], is_own: bool
) -> None:
    words = rules.nobody(replace(ROUTE, pools=names))

    assert words.startswith("No machine of this project" if is_own else "No worker")


@pytest.mark.parametrize("encoding", [None, b"identity", b" Identity "])
def test_body_that_is_not_encoded_is_taken(encoding: bytes | None) -> None:
    rules.read_encoding({} if encoding is None else {b"content-encoding": encoding})


def test_body_that_is_encoded_is_refused() -> None:
    assert code_of(rules.read_encoding, {b"content-encoding": b"gzip"}) == "invalid_request"


def test_without_hints_there_are_none() -> None:
    assert rules.read_slo({}) == Slo(None, None)


@pytest.mark.parametrize(
    ("field", "shown"), [(b"x-slo-ttft-ms", "X-SLO-TTFT-Ms"), (b"x-slo-tpot-ms", "X-SLO-TPOT-Ms")]
)
def test_hint_that_is_wrong_is_named_as_the_documents_have_it(field: bytes, shown: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.read_slo({field: b"-1", b"x-slo-other-ms": b"1"})

    assert refused.value.param == shown
    assert refused.value.message.startswith(shown)


@pytest.mark.parametrize(("text", "number"), [(b"0.001", 0.001), (b"1", 1.0), (b"1e3", 1000.0)])
def test_any_positive_number_is_a_hint(text: bytes, number: float) -> None:
    assert rules.read_slo({b"x-slo-ttft-ms": text}) == Slo(number, None)


KEY = ((FRONT := "xero_acme_" + "b" * 43) + checksum(FRONT)).encode()
PASS = b"eyJhbGciOiJFZERTQSJ9.e30.c2ln"


@pytest.mark.parametrize(
    ("fields", "token"),
    [
        ({b"authorization": b"Bearer " + PASS}, PASS),
        ({b"api-key": KEY}, KEY),
        ({b"x-api-key": KEY}, KEY),
        ({b"api-key": KEY, b"x-api-key": KEY}, KEY),
        ({b"authorization": b"Bearer " + KEY, b"api-key": b"another"}, KEY),
    ],
)
def test_key_is_taken_from_where_clients_put_it(fields: dict[bytes, bytes], token: bytes) -> None:
    assert rules.read_bearer(fields) == token


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"api-key": KEY, b"x-api-key": PASS},
        {b"authorization": b"Basic " + KEY},
        {b"authorization": b"", b"api-key": KEY},
    ],
)
def test_key_that_is_missing_or_doubtful_opens_nothing(fields: dict[bytes, bytes]) -> None:
    assert code_of(rules.read_bearer, fields) == "invalid_api_key"


@pytest.mark.parametrize(
    ("texts", "address", "is_welcome"),
    [
        (("10.0.0.5/8",), "10.255.255.255", True),  # Its host bits are set, and passed over.
        (("10.0.0.0/8",), "11.0.0.0", False),
        (("::ffff:0:0/96",), "1.2.3.4", False),  # A mapped caller is judged as what it is.
        (("2001:db8::/32", "1.2.3.4"), "1.2.3.4", True),
        (("2001:db8::/32",), "2001:db8::1", True),
    ],
)
def test_ranges_of_addresses_let_in_who_is_in_them(
    texts: tuple[str, ...], address: str, is_welcome: bool
) -> None:
    grant = replace(GRANT, ip_allow=texts)

    if is_welcome:
        assert rules.check_grant(grant, CHAT, address, NOW) is grant
    else:
        assert code_of(rules.check_grant, grant, CHAT, address, NOW) == "ip_not_allowed"
