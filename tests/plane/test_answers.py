"""What a caller gets from a worker through the gateway, over both edges."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import (
    DONE,
    answer,
    completion,
    delta,
    stream,
    usage_event,
)
from tests.plane.world import ASK, CHAT, KEY, PROJECT, STREAM, TERMS, World

pytestmark = pytest.mark.anyio


async def test_json_answer_passes_byte_for_byte(running: Running, hire: Hire) -> None:
    said = completion().replace(b": ", b" :\t")
    worker = await hire([answer(said)])
    sent = json.dumps(ASK, indent=3).encode()

    heard = await running.ask(request(CHAT, sent, key=KEY))

    assert (heard.status, heard.body, heard.complete) == (200, said, True)
    assert worker.asked[0].body == sent
    assert worker.asked[0].line == "POST /v1/chat/completions HTTP/1.1"


async def test_stream_passes_event_by_event_without_the_usage_we_asked_for(
    running: Running, hire: Hire
) -> None:
    worker = await hire(stream(delta("Pa"), delta("ris"), usage_event(), DONE))

    heard = await running.ask(request(CHAT, STREAM, key=KEY))

    assert heard.body == delta("Pa") + delta("ris") + DONE
    assert heard.complete
    assert json.loads(worker.asked[0].body)["stream_options"] == {"include_usage": True}
    assert heard.header("content-type") == "text/event-stream"
    assert heard.header("cache-control") == "no-cache"
    assert heard.header("x-accel-buffering") == "no"


async def test_usage_that_the_caller_asked_for_is_kept(running: Running, hire: Hire) -> None:
    await hire(stream(delta("Paris"), usage_event(), DONE))
    body = {**STREAM, "stream_options": {"include_usage": True}}

    heard = await running.ask(request(CHAT, body, key=KEY))

    assert heard.body == delta("Paris") + usage_event() + DONE


async def test_answer_names_its_request_its_worker_and_its_decision(
    running: Running, hire: Hire
) -> None:
    await hire([answer(completion())])

    heard = await running.ask(request(CHAT, ASK, key=KEY, headers={"X-Request-ID": "mine-1"}))

    ours = heard.header("x-xerotier-request-id")
    assert ours is not None
    assert ours.startswith("req_")
    assert heard.header("x-request-id") == "mine-1"
    assert heard.header("x-xerotier-worker-id") == "wrk_0"
    assert heard.header("x-xerotier-decision-id") == "dec_" + ours[4:]
    assert heard.header("server") is None
    assert heard.header("set-cookie") is None


async def test_worker_never_sees_the_callers_key(running: Running, hire: Hire) -> None:
    worker = await hire([answer(completion())])
    private = {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "X-Secret": "s"}

    await running.ask(request(CHAT, ASK, key=KEY, headers=private))

    seen = {name for name, _ in worker.asked[0].headers}
    assert seen == {"host", "accept-encoding", "content-type", "content-length", "x-request-id"}
    assert worker.asked[0].header("accept-encoding") == "identity"


async def test_usage_event_arrives_once_with_what_the_engine_counted(
    running: Running, hire: Hire, world: World
) -> None:
    world.grant(version=2, secret_id=7)
    world.top_up(10_000)
    world.route(version=2, terms=replace(TERMS, price_per_million=1_000_000))
    await hire([answer(completion(tokens_in=11, tokens_out=3))])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    await until(world.events)
    [event] = world.events()
    assert event["request_id"] == heard.header("x-xerotier-request-id")
    assert (event["tokens_in"], event["tokens_out"], event["source"]) == (11, 3, "measured")
    assert (event["ending"], event["status"], event["key_id"]) == ("complete", 200, "key_Ada")
    assert (event["secret_id"], event["cost"]) == (7, 14)


@pytest.mark.parametrize(
    ("said", "recorded"),
    [
        pytest.param({}, (None, None), id="nothing hoped for"),
        pytest.param({"X-SLO-TTFT-Ms": "250"}, (250.0, None), id="one hope"),
        pytest.param({"X-SLO-TTFT-Ms": "250", "X-SLO-TPOT-Ms": "12.5"}, (250.0, 12.5), id="both"),
    ],
)
async def test_hopes_are_passed_on_and_recorded(
    running: Running,
    hire: Hire,
    world: World,
    said: dict[str, str],
    recorded: tuple[float | None, float | None],
) -> None:
    worker = await hire([answer(completion())])
    lines: list[bytes] = []
    running.gateway.log._write = lines.append

    assert (await running.ask(request(CHAT, ASK, key=KEY, headers=said))).status == 200

    await until(world.events)
    [event] = world.events()
    assert (event.get("slo_ttft_ms"), event.get("slo_tpot_ms")) == recorded
    assert worker.asked[0].header("x-slo-ttft-ms") == said.get("X-SLO-TTFT-Ms")
    running.gateway.log.flush()
    line = json.loads(b"".join(lines).splitlines()[-1])
    assert (line.get("slo_ttft_ms"), line.get("slo_tpot_ms")) == recorded


async def test_models_are_listed_and_described(running: Running) -> None:
    listed = await running.ask(request(f"/{PROJECT}/chat/v1/models", key=KEY, method="GET"))
    one = await running.ask(request(f"/{PROJECT}/chat/v1/models/small", key=KEY, method="GET"))
    none = await running.ask(request(f"/{PROJECT}/chat/v1/models/big", key=KEY, method="GET"))

    model = {"id": "small", "object": "model", "created": 1_700_000_000, "owned_by": "xerotier"}
    assert json.loads(listed.body) == {"object": "list", "data": [model]}
    assert json.loads(one.body) == model
    assert (none.status, none.error["code"]) == (404, "model_not_found")
