"""Every refusal of the spec's table, and that nothing else happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.plane.caller import request
from tests.plane.conftest import Hire, Running
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, PROJECT, RIVAL, TERMS, World, make_key

pytestmark = pytest.mark.anyio

Change = Callable[[World], object]


def nothing(world: World) -> None:
    """Leave the world as it is."""


def at(path: str) -> str:
    return f"/{PROJECT}/chat/v1/{path}"


REFUSALS = [
    pytest.param(nothing, {"key": None}, 401, "invalid_api_key", id="no key"),
    pytest.param(nothing, {"key": "sk-1"}, 401, "invalid_api_key", id="malformed key"),
    pytest.param(nothing, {"key": KEY[:-1] + "!"}, 401, "invalid_api_key", id="mistyped key"),
    pytest.param(nothing, {"key": make_key(9)}, 401, "invalid_api_key", id="unknown key"),
    pytest.param(
        lambda w: w.grant(version=2, gone=True), {}, 401, "invalid_api_key", id="revoked key"
    ),
    pytest.param(
        lambda w: w.grant(version=2, expires_at=time.time()),
        {},
        401,
        "invalid_api_key",
        id="expired key",
    ),
    pytest.param(
        lambda w: w.grant(version=2, scopes=("management",)),
        {},
        403,
        "scope_insufficient",
        id="key without the scope",
    ),
    pytest.param(
        nothing,
        {"path": f"/{RIVAL}/chat/v1/chat/completions"},
        403,
        "cross_project_access",
        id="another project's endpoint",
    ),
    pytest.param(
        lambda w: w.grant(version=2, endpoint="other"),
        {},
        403,
        "endpoint_not_allowed",
        id="pinned key",
    ),
    pytest.param(
        lambda w: w.grant(version=2, ip_block=("127.0.0.0/8",)),
        {},
        403,
        "ip_not_allowed",
        id="blocked address",
    ),
    pytest.param(
        lambda w: w.grant(version=2, ip_allow=("10.0.0.0/8", "::1")),
        {},
        403,
        "ip_not_allowed",
        id="address that is not allowed",
    ),
    pytest.param(
        nothing,
        {"path": f"/{PROJECT}/nope/v1/chat/completions"},
        404,
        "endpoint_not_found",
        id="no such endpoint",
    ),
    pytest.param(
        lambda w: w.route(version=2, gone=True), {}, 404, "endpoint_not_found", id="retired"
    ),
    pytest.param(
        lambda w: w.route(version=2, paused=True), {}, 503, "endpoint_inactive", id="paused"
    ),
    pytest.param(lambda w: w.serve(version=9), {}, 503, "endpoint_inactive", id="no worker at all"),
    pytest.param(
        nothing,
        {"path": at("embeddings")},
        404,
        "operation_not_supported",
        id="operation of another task",
    ),
    pytest.param(
        nothing, {"path": at("audio")}, 404, "operation_not_supported", id="unknown operation"
    ),
    pytest.param(
        nothing, {"method": "GET", "body": None}, 405, "method_not_allowed", id="wrong method"
    ),
    pytest.param(
        nothing,
        {"headers": {"X-SLO-TTFT-Ms": "soon"}},
        400,
        "invalid_slo_header",
        id="SLO that is no number",
    ),
    pytest.param(
        nothing,
        {"headers": {"X-SLO-TPOT-Ms": "0"}},
        400,
        "invalid_slo_header",
        id="SLO that is not positive",
    ),
    pytest.param(
        nothing,
        {"headers": {"Content-Encoding": "gzip"}},
        400,
        "invalid_request",
        id="encoded body",
    ),
    pytest.param(nothing, {"body": b'{"model":'}, 400, "json_parse_error", id="broken JSON"),
    pytest.param(nothing, {"body": b"[]"}, 400, "invalid_request", id="not an object"),
    pytest.param(nothing, {"body": b"{}"}, 400, "invalid_request", id="no model"),
    pytest.param(
        nothing,
        {"headers": {"Content-Length": str(33 * 1024 * 1024)}},
        413,
        "request_too_large",
        id="announced too large",
    ),
]

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "authentication_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    503: "service_error",
}


@pytest.mark.parametrize(("change", "asked", "status", "code"), REFUSALS)
async def test_refusal_says_why_and_reaches_no_worker(
    running: Running,
    hire: Hire,
    world: World,
    change: Change,
    asked: dict[str, Any],
    status: int,
    code: str,
) -> None:
    worker = await hire([answer(completion())])
    change(world)

    heard = await running.ask(request(**{"path": CHAT, "body": ASK, "key": KEY, **asked}))

    assert (heard.status, heard.error["code"], heard.error["type"]) == (
        status,
        code,
        TYPES[status],
    )
    assert set(heard.error) == {"message", "type", "param", "code"}
    assert heard.header("x-request-id") == heard.header("x-xerotier-request-id")
    assert (heard.header("retry-after") is not None) == (status == 503)
    assert worker.asked == []
    # What is wrong with a body is found after the gate: that counts as a request, and costs none.
    counted = [(event["ending"], event["cost"]) for event in world.events()]
    assert counted == ([("refused", 0)] if status == 400 and "body" in asked else [])
    assert not running.gateway.plane.running


async def test_wrong_method_names_the_right_one(running: Running) -> None:
    heard = await running.ask(request(CHAT, key=KEY, method="PUT"))

    assert heard.header("allow") == "POST, OPTIONS"


async def test_five_ways_to_hold_no_good_key_sound_the_same(running: Running, world: World) -> None:
    world.grant(make_key(2), gone=True)
    world.grant(make_key(3), expires_at=1.0)
    keys = [None, "sk-1", make_key(1)[:-1] + "_", make_key(2), make_key(3), make_key(4)]

    said = {(await running.ask(request(CHAT, ASK, key=key))).body for key in keys}

    assert len(said) == 1


async def test_full_workers_ask_for_patience(running: Running, hire: Hire) -> None:
    await hire([answer(b"{}", 429)])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert heard.error["retry_strategy"]["type"] == "exponential_backoff"
    assert heard.header("retry-after") == str(heard.error["retry_after"])


async def test_worker_that_does_not_begin_in_time_is_hung_up_on(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, terms=replace(TERMS, request_timeout_s=0.1))
    worker = await hire([...])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.error["code"]) == (504, "upstream_timeout")
    await worker.asked[0].left.wait()
