"""What is guarded: OpenAI's embeddings protocol, and refusals that say what to change."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio


async def test_one_text_becomes_one_vector_of_length_one(caller: httpx2.AsyncClient) -> None:
    answer = (await caller.post("/v1/embeddings", json={"input": "hello", "model": "any"})).json()

    vector = answer["data"][0]["embedding"]
    assert len(vector) == 384
    assert sum(number * number for number in vector) == pytest.approx(1, abs=1e-5)
    assert answer["object"] == "list"
    assert answer["model"] == "all-minilm-l6-v2"
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


async def test_vectors_come_back_in_the_order_of_their_texts(caller: httpx2.AsyncClient) -> None:
    texts = ["a much longer text about the weather in the north of the country", "cheese", "rain"]

    together = (await caller.post("/v1/embeddings", json={"input": texts})).json()["data"]

    assert [row["index"] for row in together] == [0, 1, 2]
    for text, row in zip(texts, together, strict=True):
        alone = (await caller.post("/v1/embeddings", json={"input": text})).json()["data"][0]
        # Its int8 arithmetic scales by what else is in the batch: alike, not equal.
        likeness = sum(a * b for a, b in zip(alone["embedding"], row["embedding"], strict=True))
        assert likeness > 0.97


async def test_long_text_counts_by_its_first_256_tokens(caller: httpx2.AsyncClient) -> None:
    answer = (await caller.post("/v1/embeddings", json={"input": "word " * 600})).json()

    assert answer["usage"]["prompt_tokens"] == 256


async def test_base64_holds_the_same_numbers_as_float(caller: httpx2.AsyncClient) -> None:
    ask: dict[str, Any] = {"input": "hello"}
    plain = (await caller.post("/v1/embeddings", json=ask)).json()["data"][0]["embedding"]
    ask["encoding_format"] = "base64"

    packed = (await caller.post("/v1/embeddings", json=ask)).json()["data"][0]["embedding"]

    assert struct.unpack("<384f", base64.b64decode(packed)) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("ask", "status", "param"),
    [
        pytest.param({}, 400, "input", id="no input"),
        pytest.param({"input": ""}, 400, "input", id="an empty text"),
        pytest.param({"input": []}, 400, "input", id="an empty list"),
        pytest.param({"input": ["a", None]}, 400, "input", id="a null among texts"),
        pytest.param({"input": [1, 2, 3]}, 400, "input", id="tokens"),
        pytest.param({"input": [[1, 2], [3]]}, 400, "input", id="lists of tokens"),
        pytest.param({"input": "a", "dimensions": 128}, 400, "dimensions", id="shortened"),
        pytest.param({"input": "a", "encoding_format": "int8"}, 400, "encoding_format", id="int8"),
        pytest.param({"input": ["a"] * 257}, 413, "input", id="too many texts"),
    ],
)
async def test_bad_ask_is_refused_by_the_name_of_its_field(
    caller: httpx2.AsyncClient, ask: dict[str, Any], status: int, param: str
) -> None:
    answer = await caller.post("/v1/embeddings", json=ask)

    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["message"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"[]", id="not an object"),
        pytest.param(b'{"input": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"input": ' + b"[" * 50_000, id="nested without end"),
    ],
)
async def test_malformed_body_is_refused(caller: httpx2.AsyncClient, content: bytes) -> None:
    answer = await caller.post("/v1/embeddings", content=content)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "ask", "param"),
    [
        ("embeddings", {"input": "\ud83d"}, "input"),
        ("embeddings", {"input": ["fine", "cut \ude00 through"]}, "input"),
        ("rerank", {"query": "\ud83d", "documents": ["a"]}, "query"),
        ("rerank", {"query": "a", "documents": ["b", {"text": "\ud83d"}]}, "documents"),
        ("score", {"text_1": "\ud83d", "text_2": "a"}, "text_1"),
        ("score", {"text_1": "a", "text_2": ["b", "\udc00"]}, "text_2"),
    ],
)
async def test_half_a_character_is_refused_by_the_name_of_its_field(
    caller: httpx2.AsyncClient, path: str, ask: dict[str, Any], param: str
) -> None:
    answer = await caller.post(f"/v1/{path}", content=json.dumps(ask).encode())

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", param)
    assert "surrogate" in error["message"]


async def test_refused_token_ids_come_with_what_to_set(caller: httpx2.AsyncClient) -> None:
    answer = await caller.post("/v1/embeddings", json={"input": [101, 7592, 102]})

    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "input")
    assert "check_embedding_ctx_length=False" in error["message"]


async def test_too_large_a_body_is_refused(caller: httpx2.AsyncClient) -> None:
    answer = await caller.post("/v1/embeddings", content=b" " * (4 << 20) + b"{}")

    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["models", "embeddings", "score", "rerank"])
@pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic engine-key", "Bearer é"])
async def test_nothing_is_served_without_the_key(
    caller: httpx2.AsyncClient, path: str, given: str
) -> None:
    method = "GET" if path == "models" else "POST"

    answer = await caller.request(
        method, f"/v1/{path}", headers=[(b"authorization", given.encode())], json={"input": "a"}
    )

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


async def test_health_asks_for_no_key(caller: httpx2.AsyncClient) -> None:
    answer = await caller.get("/health", headers={"Authorization": ""})

    assert answer.json() == {"status": "ok"}


async def test_one_model_is_named(caller: httpx2.AsyncClient) -> None:
    models = (await caller.get("/v1/models")).json()["data"]

    assert [(model["id"], model["dimensions"]) for model in models] == [("all-minilm-l6-v2", 384)]
