"""What is guarded: models and load of each engine are read from what that engine really says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xim.engines import gauges
from xim.engines.adapter import Options
from xim.engines.kinds import KINDS, is_remote
from xim.engines.seen import Load, Seen
from xim.sim.server import Options as SimOptions
from xim.sim.server import Simulator
from xim.web.call import Address
from xim.web.server import Asked, Port, Reply

pytestmark = pytest.mark.anyio

VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="q"} 3.0
vllm:num_requests_running{engine="1",model_name="q"} 2.0
vllm:num_requests_waiting{engine="0",model_name="q"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="q"} 0.42
vllm:generation_tokens_total{engine="0",model_name="q"} 1.5e+03
"""
SGLANG = (
    'sglang:num_running_reqs{model_name="q"} 5\nsglang:num_queue_reqs 1\nsglang:token_usage 0.9\n'
)
LLAMACPP = "llamacpp:requests_processing 2\nllamacpp:requests_deferred 4\n"
TGI = "tgi_batch_current_size 6\ntgi_queue_size 2\n"


@asynccontextmanager
async def engine(pages: dict[str, Any], kind: str, **options: Any) -> AsyncIterator[Any]:
    """An adapter before a server that has these pages."""

    async def serve(asked: Asked, reply: Reply) -> None:
        said = pages.get(asked.path)
        if isinstance(said, str):
            await reply.whole(200, said.encode(), "text/plain")
        elif isinstance(said, int) or said is None:
            await reply.json(said or 404, {})
        else:
            await reply.json(200, said)

    async with Port(serve).open("127.0.0.1", 0) as port:
        address = Address("127.0.0.1", port, "/v1", is_secured=False)
        yield KINDS[kind](Options(address, **options))


def models(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": list(rows)}


@pytest.mark.parametrize(
    ("kind", "metrics", "load"),
    [
        ("vllm", VLLM, Load(5, 7, 0.42, 1500.0)),
        ("sglang", SGLANG, Load(5, 1, 0.9, None)),
        ("llamacpp", LLAMACPP, Load(2, 4, None, None)),
        ("openai", TGI, Load(6, 2, None, None)),
    ],
)
async def test_load_is_read_from_the_engines_own_metrics(
    kind: str, metrics: str, load: Load
) -> None:
    pages = {"/v1/models": models({"id": "q"}), "/metrics": metrics, "/health": {}}
    async with engine(pages, kind) as adapter:
        seen: Seen = await adapter.look()

    assert seen.load == load
    assert [one.name for one in seen.models] == ["q"]


@pytest.mark.parametrize("metrics", [500, "", "no metrics {{{ here\n" * 10, "x" * 2_000_000])
async def test_metrics_that_fail_fail_nothing_else(metrics: Any) -> None:
    pages = {"/v1/models": models({"id": "q"}), "/metrics": metrics}
    async with engine(pages, "vllm") as adapter:
        seen: Seen = await adapter.look()

    assert seen.load == Load()
    assert [one.status for one in seen.models] == ["ready"]
    assert seen.trouble == ""


async def test_metrics_that_hang_do_not_hold_up_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xim.engines.adapter.PATIENCE_S", 0.2)

    async def serve(asked: Asked, reply: Reply) -> None:
        if asked.path != "/v1/models":
            await asyncio.Event().wait()
        await reply.json(200, models({"id": "q"}))

    async with Port(serve).open("127.0.0.1", 0) as port:
        address = Address("127.0.0.1", port, "/v1", is_secured=False)
        async with asyncio.timeout(20):
            seen = await KINDS["vllm"](Options(address)).look()

    assert [one.name for one in seen.models] == ["q"]
    assert seen.load == Load()


@pytest.mark.parametrize(
    ("row", "context"),
    [
        ({"id": "q", "max_model_len": 8192}, 8192),
        ({"id": "q", "meta": {"n_ctx": 2048, "size": 123}}, 2048),
        ({"id": "q", "context_length": 1000}, 1000),
        ({"id": "q", "max_model_len": "8192"}, None),
        ({"id": "q"}, None),
    ],
)
async def test_context_is_read_where_an_engine_says_it(
    row: dict[str, Any], context: int | None
) -> None:
    async with engine({"/v1/models": models(row)}, "openai") as adapter:
        seen: Seen = await adapter.look()

    assert seen.models[0].context == context


async def test_llamacpp_is_loading_as_long_as_its_health_says_so() -> None:
    async with engine({"/health": 503}, "llamacpp") as adapter:
        seen: Seen = await adapter.look()

    assert [(one.status, one.reason) for one in seen.models] == [
        ("loading", "llama.cpp loads its model")
    ]


async def test_llamacpp_tells_its_memory_by_its_slots() -> None:
    slots = [{"n_ctx": 2048, "n_past": 1024}, {"n_ctx": 2048, "n_past": 0}]
    pages = {
        "/health": {},
        "/slots": slots,
        "/v1/models": models({"id": "q", "meta": {"size": 123}}),
    }
    async with engine(pages, "llamacpp") as adapter:
        seen: Seen = await adapter.look()

    assert seen.load.kv == 0.25
    assert seen.models[0].size_bytes == 123


TAGS = {
    "models": [
        {"name": "llama3:8b", "size": 4_000_000_000},
        {"name": "qwen3:1b", "size": 1},
        {"name": "deepseek-v3:671b-cloud", "size": 0},
        {"name": "innocent:latest", "size": 0, "remote_host": "https://ollama.com:443"},
    ]
}


@pytest.mark.parametrize(("allowed", "count"), [(False, 2), (True, 4)])
async def test_ollamas_cloud_models_are_served_only_when_that_is_said(
    allowed: bool, count: int
) -> None:
    pages = {
        "/api/tags": TAGS,
        "/api/ps": {"models": [{"name": "llama3:8b"}]},
        "/api/version": {"version": "0.12"},
    }
    async with engine(pages, "ollama", allow_remote_models=allowed) as adapter:
        seen: Seen = await adapter.look()

    assert len(seen.models) == count
    assert [one.status for one in seen.models[:2]] == ["ready", "sleeping"]
    assert seen.models[0].size_bytes == 4_000_000_000
    assert seen.version == "0.12"


def test_remote_model_is_known_by_its_host_or_its_tag() -> None:
    assert is_remote({"name": "x:cloud"})
    assert is_remote({"name": "x:1b", "remote_model": "x"})
    assert not is_remote({"name": "cloudy:1b"})


async def test_task_is_told_by_the_name_or_as_said() -> None:
    rows = models({"id": "bge-m3"}, {"id": "bge-reranker"}, {"id": "qwen"})
    async with engine({"/v1/models": rows}, "openai") as adapter:
        by_name = [one.task for one in (await adapter.look()).models]
    async with engine({"/v1/models": rows}, "openai", task="embed") as adapter:
        as_said = [one.task for one in (await adapter.look()).models]

    assert by_name == ["embed", "score", "generate"]
    assert as_said == ["embed"] * 3


@pytest.mark.parametrize(
    ("name", "more", "operations"),
    [
        ("qwen", {"/v1/responses": 400}, ("chat/completions", "completions", "responses")),
        ("qwen", {"/v1/responses": 501}, ("chat/completions", "completions")),
        ("qwen", {"/v1/rerank": 400}, ("chat/completions", "completions")),
        ("bge-m3", {"/v1/score": 400, "/v1/rerank": 422}, ("embeddings", "score", "rerank")),
        ("bge-m3", {}, ("embeddings",)),
    ],
    ids=["responses", "not built", "of another task", "scores", "plain"],
)
async def test_what_only_some_engines_speak_is_asked_of_them(
    name: str, more: dict[str, Any], operations: tuple[str, ...]
) -> None:
    async with engine({"/v1/models": models({"id": name}), **more}, "openai") as adapter:
        seen: Seen = await adapter.look()

    assert seen.models[0].operations == operations
    assert seen.models[0].said(0)["operations"] == list(operations)


async def test_engine_is_asked_what_it_speaks_once_and_again_when_it_was_away() -> None:
    pages = {"/v1/models": models({"id": "q"})}
    async with engine(pages, "openai") as adapter:
        before: Seen = await adapter.look()
        pages["/v1/responses"] = {}
        meanwhile: Seen = await adapter.look()
        pages["/v1/models"] = {}
        away: Seen = await adapter.look()
        pages["/v1/models"] = models({"id": "q"})
        after: Seen = await adapter.look()

    assert away.trouble
    spoken = ["responses" in one.models[0].operations for one in (before, meanwhile, after)]
    assert spoken == [False, False, True]


async def test_engine_that_loads_is_not_asked_what_it_speaks() -> None:
    pages: dict[str, Any] = {"/health": 503, "/v1/responses": 503}
    async with engine(pages, "llamacpp") as adapter:
        await adapter.look()
        pages |= {"/health": {}, "/v1/models": models({"id": "q"}), "/v1/responses": 404}
        seen: Seen = await adapter.look()

    assert "responses" not in seen.models[0].operations


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (401, "it answers /models with status 401"),
        ({"data": "none"}, "not with a list of models"),
        ([1], "not with an object"),
        ("<html>", "Expecting value"),
        ("[" * 200_000, "recursion"),
    ],
)
async def test_engine_that_is_none_is_trouble_in_words(page: Any, words: str) -> None:
    async with engine({"/v1/models": page}, "openai") as adapter:
        seen: Seen = await adapter.look()

    assert words in seen.trouble
    assert seen.models == ()


async def test_engine_that_is_not_there_is_trouble_in_words() -> None:
    address = Address("127.0.0.1", 1, "/v1", is_secured=False)

    seen = await KINDS["vllm"](Options(address)).look()

    assert seen.trouble == "nothing answers at 127.0.0.1:1"


async def test_engine_with_a_key_is_shown_it() -> None:
    asked: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        body = json.dumps(models({"id": "q"})).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await KINDS["openai"](Options(Address("127.0.0.1", port, "/v1", is_secured=False), "k")).look()
    server.close()

    assert asked
    assert all("authorization: bearer k\r\n" in one for one in asked)


@pytest.mark.parametrize("quirks", ["vllm", "sglang", "llamacpp", "ollama"])
async def test_each_adapter_understands_the_simulator_that_speaks_as_its_engine(
    quirks: str,
) -> None:
    simulator = Simulator(SimOptions(models=("tiny",), quirks=quirks, context=2048))
    async with simulator.serve() as port:
        address = Address("127.0.0.1", port, "/v1", is_secured=False)
        seen = await KINDS[quirks](Options(address)).look()

    assert [one.name for one in seen.models] == ["tiny"]
    assert seen.trouble == ""
    if quirks != "ollama":
        assert (seen.load.running, seen.load.waiting) == (0, 0)
        assert seen.models[0].context == 2048


@pytest.mark.parametrize(
    "row",
    [
        {"id": "x" * 201},
        {"id": ""},
        {"id": "half \ud83d"},
        {"id": "two\nlines"},
        {"id": "q", "max_model_len": 1 << 60},
    ],
)
async def test_model_that_no_gateway_could_be_told_of_is_left_out(row: dict[str, Any]) -> None:
    async with engine({"/v1/models": models(row, {"id": "fine"})}, "openai") as adapter:
        seen: Seen = await adapter.look()

    assert [one.name for one in seen.models] == ["fine"]


def test_absurd_numbers_are_bounded() -> None:
    found = gauges.read(
        "vllm:num_requests_running 1e300\n"
        "vllm:num_requests_waiting -5\n"
        "vllm:kv_cache_usage_perc 7\n"
    )

    assert gauges.load_of(found, gauges.VLLM) == Load(1_000_000, 0, 1.0, None)


@given(st.text(max_size=300))
def test_any_text_is_read_as_metrics_without_a_fault(text: str) -> None:
    assert isinstance(gauges.read(text), dict)


def test_infinite_and_absent_values_are_left_out() -> None:
    assert gauges.read("a +Inf\nb NaN\nc 1\nd\n") == {"c": 1.0}
