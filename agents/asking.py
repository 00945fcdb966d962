"""Ask a server what it serves before it becomes a worker.

An operator typed its address: one question for its models, and one with an empty body for
each operation. Bounded in time and size; redirects are not followed.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from agents.rules import OPERATIONS, fault_in_url

WAIT_S = 5.0
MOST_BYTES = 1024 * 1024
MODELS_MAX = 200
UNSPOKEN = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}
ENGINES = {"vllm": "vllm", "llamacpp": "llamacpp", "sglang": "sglang", "library": "ollama"}
"""What engines say under ``owned_by``, and what kind that is."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model a server says it serves."""

    name: str
    context_length: int | None = None
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a server answered. ``fault``: why it is no worker, in words; then nothing else."""

    url: str
    models: tuple[Served, ...] = ()
    operations: tuple[str, ...] = ()
    fault: str = ""

    def best(self, wished: str) -> Served | None:
        """Return what is meant by a name: that model, or the only one there is."""
        return self.named(wished) or (self.models[0] if len(self.models) == 1 else None)

    def named(self, name: str) -> Served | None:
        """Return what it serves under a name, in any case."""
        return next((one for one in self.models if one.name.lower() == name.lower()), None)


def ask(url: str, credential: str = "") -> Found:
    """Ask a server at its URL, or below it at ``/v1`` if nothing of the kind is there."""
    wrong = fault_in_url(url)
    if wrong:
        return Found(url, fault=wrong)
    found = _ask(url.rstrip("/"), credential)
    if found.fault and not urlsplit(url).path.rstrip("/").endswith("/v1"):
        below = _ask(f"{url.rstrip('/')}/v1", credential)
        return found if below.fault else below
    return found


def _ask(url: str, credential: str) -> Found:
    try:
        status, body = _send("GET", f"{url}/models", credential)
    except (OSError, http.client.HTTPException, ValueError) as fault:
        return Found(url, fault=f"Nothing answers at {url}: {str(fault) or type(fault).__name__}.")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Found(url, fault=f"{url} wants a credential, or another one ({status}).")
    models = _models(body) if status == HTTPStatus.OK else ()
    if not models:
        return Found(url, fault=f"{url}/models lists no models ({status}): is it an OpenAI URL?")
    spoken = tuple(one for one in OPERATIONS if _speaks(url, one, credential))
    return Found(url, models, spoken)


def _speaks(url: str, operation: str, credential: str) -> bool:
    try:
        status, _ = _send("POST", f"{url}/{operation}", credential, b"{}")
    except (OSError, http.client.HTTPException):
        return False
    return status not in UNSPOKEN


def _send(method: str, url: str, credential: str, body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kinds: dict[str, Callable[..., http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    connection = kinds[parts.scheme](parts.hostname or "", parts.port, timeout=WAIT_S)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if credential:
        headers["Authorization"] = f"Bearer {credential}"
    try:
        connection.request(method, parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BYTES)
    finally:
        connection.close()


def _models(body: bytes) -> tuple[Served, ...]:
    try:
        listed: Any = json.loads(body)
        rows = listed["data"]
        return tuple(_served(row) for row in rows[:MODELS_MAX] if isinstance(row["id"], str))
    except (ValueError, KeyError, TypeError, RecursionError):
        # RecursionError: a body of nothing but open brackets.
        return ()


def _served(row: dict[str, Any]) -> Served:
    meta = row.get("meta")
    n_ctx = meta.get("n_ctx") if isinstance(meta, dict) else None
    windows = (row.get("max_model_len"), row.get("context_length"), n_ctx)
    known = [size for size in windows if isinstance(size, int) and 0 < size < 2**31]
    owner = str(row.get("owned_by", ""))
    return Served(row["id"], known[0] if known else None, ENGINES.get(owner, ""))
