"""Requests and answers of the embedding engine, as OpenAI, vLLM, Jina and Cohere shape them."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xim.bundled.encoder import DIMENSIONS, Vectors
from xim.bundled.refusals import Malformed, TooLarge

BATCH_MAX = 256
NO_TOKENS = (
    "Token ids are not taken: they would be those of another model. "
    "In LangChain set check_embedding_ctx_length=False."
)

Body = Mapping[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EmbeddingAsk:
    """``POST /v1/embeddings``."""

    texts: list[str]
    base64: bool


@dataclass(frozen=True, slots=True)
class ScoreAsk:
    """``POST /v1/score``: pairs of texts to compare; one left text serves all right ones."""

    left: list[str]
    right: list[str]


@dataclass(frozen=True, slots=True)
class RerankAsk:
    """``POST /v1/rerank``: documents to be put in order for a query."""

    query: str
    documents: list[str]
    top_n: int
    with_documents: bool


def embedding_ask(body: Body) -> EmbeddingAsk:
    """Read an embeddings request."""
    if body.get("dimensions", DIMENSIONS) != DIMENSIONS:
        raise Malformed(
            f"This model's vectors have {DIMENSIONS} dimensions and cannot be shortened.",
            param="dimensions",
        )
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise Malformed("encoding_format must be float or base64.", param="encoding_format")
    return EmbeddingAsk(texts(body.get("input"), "input"), base64=encoding == "base64")


def score_ask(body: Body) -> ScoreAsk:
    """Read a score request."""
    left = texts(body.get("text_1"), "text_1")
    right = texts(body.get("text_2"), "text_2")
    if len(left) not in (1, len(right)):
        raise Malformed("text_1 must be one text, or as many as text_2 has.", param="text_1")
    return ScoreAsk(left, right)


def rerank_ask(body: Body) -> RerankAsk:
    """Read a rerank request; documents are texts or objects with a ``text``."""
    query = body.get("query")
    if not isinstance(query, str) or not query:
        raise Malformed("query must be a text that is not empty.", param="query")
    _check_text(query, "query")
    given = body.get("documents")
    if not isinstance(given, list):
        raise Malformed("documents must be a list.", param="documents")
    documents = texts([_text_of(document) for document in given], "documents")
    top_n = body.get("top_n")
    if top_n is not None and (not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1):
        raise Malformed("top_n must be a whole number from 1.", param="top_n")
    return RerankAsk(
        query, documents, top_n or len(documents), bool(body.get("return_documents", True))
    )


def _text_of(document: object) -> object:
    return document.get("text") if isinstance(document, dict) else document


def texts(given: object, param: str) -> list[str]:
    """Return one text or a list of them as a list."""
    items: list[Any] = given if isinstance(given, list) else [given]
    if any(isinstance(item, int | list) for item in items):
        raise Malformed(f"{param} must be text. {NO_TOKENS}", param=param)
    if not items or not all(isinstance(item, str) and item for item in items):
        raise Malformed(
            f"{param} must be a text, or a list of texts; none may be empty.", param=param
        )
    if len(items) > BATCH_MAX:
        raise TooLarge(f"{param} has {len(items)} texts; {BATCH_MAX} are taken.", param=param)
    for item in items:
        _check_text(item, param)
    return items


def _check_text(text: str, param: str) -> None:
    """Refuse half a character: JavaScript makes some by cutting through an emoji."""
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise Malformed(
            f"{param} is no text: it holds half of a surrogate pair.", param=param
        ) from fault


def embeddings(model: str, ask: EmbeddingAsk, vectors: Vectors, tokens: int) -> Answer:
    """Return OpenAI's list of embeddings; base64 holds little-endian 32-bit floats."""
    rows: list[Any] = (
        [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
        if ask.base64
        else vectors.tolist()
    )
    data = [
        {"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)
    ]
    return {"object": "list", "data": data, "model": model, "usage": usage(tokens)}


def scores(model: str, similarities: list[float], tokens: int) -> Answer:
    """Return vLLM's list of scores."""
    data = [
        {"index": index, "object": "score", "score": similarity}
        for index, similarity in enumerate(similarities)
    ]
    return {
        "id": f"score-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": model,
        "data": data,
        "usage": usage(tokens),
    }


def ranking(model: str, ask: RerankAsk, similarities: list[float], tokens: int) -> Answer:
    """Return Jina's and Cohere's list, best first; equals keep the caller's order."""
    order = sorted(range(len(similarities)), key=lambda index: -similarities[index])
    results: list[Answer] = [
        {"index": index, "relevance_score": similarities[index]} for index in order[: ask.top_n]
    ]
    if ask.with_documents:
        for result in results:
            result["document"] = {"text": ask.documents[result["index"]]}
    return {
        "id": f"rerank-{uuid.uuid4().hex}",
        "model": model,
        "results": results,
        "usage": usage(tokens),
    }


def usage(tokens: int) -> Answer:
    """Return what was read; nothing is written by these models."""
    return {"prompt_tokens": tokens, "total_tokens": tokens}
