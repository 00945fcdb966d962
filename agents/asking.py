"""Ask a server what it serves before it becomes a worker.

Somebody typed its address: one question for its models, and one with an empty body for each
operation, by way of ``common/outgoing``. Where operators ask, every network is allowed; a project
asks at public addresses, so often, and not while too many do.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings

from agents.errors import BackendUnreachable, WorkerUrlMalformed
from agents.rules import OPERATIONS, TEXT_MAX, fault_in_tenants_url, fault_in_url
from common.names import hidden_in
from common.outgoing.connector import (
    MOST_BYTES,
    WAIT_S,
    Answer,
    Call,
    Refused,
    Unreachable,
    send,
    tenants_reach,
)
from common.problems import Busy, TooOften
from common.rest.throttle import take
from inference.contracts.addresses import Reach

if TYPE_CHECKING:
    from projects.models import Project

WHOLE_S = 2 * WAIT_S
"""For all questions together. What it did not say by then it does not speak."""
MODELS_MAX = 200
UNSPOKEN = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}
ENGINES = {"vllm": "vllm", "llamacpp": "llamacpp", "sglang": "sglang", "library": "ollama"}
"""What engines say under ``owned_by``, and what kind that is."""
QUESTIONS_AT_ONCE = 4
"""In one process: each holds a connection to the database while a stranger takes its time."""

_free = BoundedSemaphore(QUESTIONS_AT_ONCE)


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


def ask(url: str, credential: str, reach: Reach) -> Found:
    """Ask a server at its URL, or below it at ``/v1`` if nothing of the kind is there.

    It is asked at a public address, or where ``reach`` allows it.
    """
    wrong = fault_in_url(url)
    if wrong:
        return Found(url, fault=wrong)
    asker = _Asker(credential, reach)
    found = asker.ask(url.rstrip("/"))
    if found.fault and not urlsplit(url).path.rstrip("/").endswith("/v1"):
        below = asker.ask(f"{url.rstrip('/')}/v1")
        return found if below.fault else below
    return found


def look(*, project: Project, url: str, credential: str) -> Found:
    """Ask a server for a project what it serves; nothing is kept.

    Raises ``WorkerUrlMalformed``, ``BackendUnreachable``, ``TooOften`` or ``Busy``.
    """
    fault = fault_in_tenants_url(url)
    if fault:
        raise WorkerUrlMalformed(fault, param="url")
    limit = settings.BACKEND_QUESTIONS_PER_MIN
    rate = take(f"backend-questions:{project.public_id}", limit=limit)
    if rate is not None and not rate.allowed:
        raise TooOften(f"Servers are asked {limit} times a minute.", wait=rate.wait_s)
    if not _free.acquire(blocking=False):
        raise Busy("Too many servers are being asked at this moment. Try again.", wait=5)
    try:
        found = ask(url, credential, tenants_reach())
    finally:
        _free.release()
    if found.fault:
        raise BackendUnreachable(found.fault, param="url")
    return found


@dataclass(frozen=True, slots=True)
class _Asker:
    credential: str
    reach: Reach
    ends_at: float = field(default_factory=lambda: time.monotonic() + WHOLE_S)

    def ask(self, url: str) -> Found:
        try:
            answer = self._send("GET", f"{url}/models")
        except Refused as refused:
            return Found(url, fault=str(refused))
        except Unreachable as fault:
            return Found(url, fault=f"Nothing answers at {url}: {fault}.")
        models = _models(answer.body) if answer.status == HTTPStatus.OK else ()
        if not models:
            return Found(url, fault=_why_none(url, answer))
        return Found(url, models, tuple(one for one in OPERATIONS if self._speaks(url, one)))

    def _speaks(self, url: str, operation: str) -> bool:
        try:
            return self._send("POST", f"{url}/{operation}", b"{}").status not in UNSPOKEN
        except Unreachable:
            return False

    def _send(self, method: str, url: str, body: bytes | None = None) -> Answer:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential}"
        left_s = self.ends_at - time.monotonic()
        if left_s <= 0:
            raise Unreachable(f"no whole answer within {WHOLE_S:g} s")
        return send(Call(method, url, headers, body, wait_s=min(WAIT_S, left_s)), self.reach)


def _why_none(url: str, answer: Answer) -> str:
    """Say what is wrong with an answer that lists no models, and what to do about it."""
    status = answer.status
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"{url} wants a credential, or another one ({status})."
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"{url}/models leads elsewhere ({status}), which is not followed. Write that URL."
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{url}/models answers with an error ({status}). Is the server up?"
    if len(answer.body) >= MOST_BYTES:
        return f"{url}/models answers more than {MOST_BYTES // 1024} KiB: is it an OpenAI URL?"
    if _is_empty_list(answer.body):
        return f"{url} serves no models now. Load one there, then try again."
    return f"{url}/models lists no models ({status}): is it an OpenAI URL?"


def _is_empty_list(body: bytes) -> bool:
    try:
        listed: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(listed, dict) and listed.get("data") == []


def _models(body: bytes) -> tuple[Served, ...]:
    try:
        listed: Any = json.loads(body)
        rows = listed["data"]
        return tuple(_served(row) for row in rows[:MODELS_MAX] if _is_name(row["id"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        # RecursionError: a body of nothing but open brackets.
        return ()


def _is_name(said: object) -> bool:
    # What can't be seen or kept is not offered: nobody could choose it.
    return isinstance(said, str) and 0 < len(said) <= TEXT_MAX and hidden_in(said) is None


def _served(row: dict[str, Any]) -> Served:
    meta = row.get("meta")
    n_ctx = meta.get("n_ctx") if isinstance(meta, dict) else None
    windows = (row.get("max_model_len"), row.get("context_length"), n_ctx)
    known = [size for size in windows if isinstance(size, int) and 0 < size < 2**31]
    owner = str(row.get("owned_by", ""))
    return Served(row["id"], known[0] if known else None, ENGINES.get(owner, ""))
