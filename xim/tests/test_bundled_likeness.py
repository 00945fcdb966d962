"""What is guarded: scores and rankings in the shapes of vLLM, Jina and Cohere."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

QUERY = "How is the weather today?"
CHEESE, SUN = "I like cheese.", "It is sunny and warm outside."


async def test_documents_are_ranked_by_meaning(caller: httpx2.AsyncClient) -> None:
    ask = {"query": QUERY, "documents": [CHEESE, {"text": SUN}]}

    answer = (await caller.post("/v1/rerank", json=ask)).json()

    assert [result["index"] for result in answer["results"]] == [1, 0]
    assert answer["results"][0]["document"] == {"text": SUN}
    assert answer["results"][0]["relevance_score"] > answer["results"][1]["relevance_score"]
    assert answer["usage"]["total_tokens"] > 0


async def test_only_the_best_are_returned_when_asked_so(caller: httpx2.AsyncClient) -> None:
    ask = {"query": QUERY, "documents": [CHEESE, SUN], "top_n": 1, "return_documents": False}

    results = (await caller.post("/v1/rerank", json=ask)).json()["results"]

    assert [set(result) for result in results] == [{"index", "relevance_score"}]
    assert results[0]["index"] == 1


async def test_one_text_is_scored_against_many(caller: httpx2.AsyncClient) -> None:
    ask = {"text_1": SUN, "text_2": [SUN, CHEESE]}

    scores = [row["score"] for row in (await caller.post("/v1/score", json=ask)).json()["data"]]

    assert scores[0] == pytest.approx(1, abs=1e-2)
    assert scores[1] < 0.5


async def test_pairs_are_scored_one_by_one(caller: httpx2.AsyncClient) -> None:
    ask = {"text_1": [SUN, CHEESE], "text_2": [CHEESE, CHEESE]}

    data = (await caller.post("/v1/score", json=ask)).json()["data"]

    assert [row["index"] for row in data] == [0, 1]
    assert data[0]["score"] < 0.5 < data[1]["score"]


@pytest.mark.parametrize(
    ("path", "ask", "param"),
    [
        pytest.param("rerank", {"documents": ["a"]}, "query", id="no query"),
        pytest.param("rerank", {"query": "a", "documents": "a"}, "documents", id="no list"),
        pytest.param("rerank", {"query": "a", "documents": []}, "documents", id="no documents"),
        pytest.param("rerank", {"query": "a", "documents": [{}]}, "documents", id="no text"),
        pytest.param(
            "rerank", {"query": "a", "documents": ["a"], "top_n": 0}, "top_n", id="none wanted"
        ),
        pytest.param("score", {"text_2": "a"}, "text_1", id="nothing on the left"),
        pytest.param(
            "score", {"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}, "text_1", id="no pairs"
        ),
    ],
)
async def test_bad_ask_is_refused_by_the_name_of_its_field(
    caller: httpx2.AsyncClient, path: str, ask: dict[str, Any], param: str
) -> None:
    answer = await caller.post(f"/v1/{path}", json=ask)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
