"""Any server that speaks OpenAI's API: what it serves, how busy it is (generic adapter).

The other kinds are this one, and know besides where their engine says more. Metrics that fail
are no reason to fail: what is not known is left out.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from xim.engines import gauges
from xim.engines.gauges import Names
from xim.engines.seen import MORE, OPERATIONS, Load, Model, Seen
from xim.web import call
from xim.web.call import Address, CallFault

PATIENCE_S = 1.0
ANSWER_MAX = 256 << 10
MODELS_MAX = 64
EMBEDS = re.compile(r"embed|minilm|\bbge\b|\be5-|\bgte-", re.IGNORECASE)
SCORES = re.compile(r"rerank", re.IGNORECASE)


UNSPOKEN = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}
FAULTS = (CallFault, ValueError, TimeoutError, RecursionError)
"""What asking an engine may come to; JSON may be nested without end."""


class Unclear(ValueError):
    """An engine answers, but not what was asked."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine is reached, and what is said of it where it does not say so itself."""

    address: Address
    key: str = ""
    task: str = ""
    allow_remote_models: bool = False


class Adapter:
    """Watches one engine."""

    kind = "openai"
    default_url = ""
    slots = 32
    names: Names = gauges.TGI

    def __init__(self, options: Options) -> None:
        self.options = options
        self._spoken: dict[str, tuple[str, ...]] = {}

    def moved(self, address: Address, key: str = "") -> None:
        """Watch it where it listens now."""
        self.options = replace(self.options, address=address, key=key or self.options.key)

    async def look(self) -> Seen:
        """Return what is there now; an engine that does not answer serves nothing."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                models = await self.models()
        except FAULTS as fault:
            self._spoken.clear()  # It may come back as another version.
            return Seen(trouble=_trouble(fault, self.options.address))
        sound = tuple(model for model in models if model.is_sound)[:MODELS_MAX]
        load, version, _ = await asyncio.gather(
            self._quietly_load(), self._quietly_version(), self._learn(sound)
        )
        spoken = self._spoken
        return Seen(
            tuple(replace(one, operations=spoken.get(one.task, ())) for one in sound), load, version
        )

    async def _learn(self, models: tuple[Model, ...]) -> None:
        """Ask once, when models of a task are ready, what is spoken beyond what all speak."""
        tasks = {one.task for one in models if one.serves} - self._spoken.keys()
        for task in sorted(tasks):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    more = [name for name in MORE[task] if await self._speaks(name)]
            except FAULTS:
                continue  # With the next look.
            self._spoken[task] = (*OPERATIONS[task], *more)

    async def _speaks(self, operation: str) -> bool:
        """Say whether an operation is known there: nothing is asked for that could be done."""
        status, _ = await self._get(f"/{operation}", beside=False, body=b"{}")
        return status not in UNSPOKEN

    async def models(self) -> tuple[Model, ...]:
        """Return the models it serves; raises ``Unclear`` if it does not say."""
        content = await self.get_json("/models")
        rows = content.get("data")
        if not isinstance(rows, list):
            raise Unclear("it answers /models, but not with a list of models")
        named = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
        return tuple(self.model_of(row) for row in named)

    def model_of(self, row: Mapping[str, Any]) -> Model:
        """Return a model as one entry of the list describes it."""
        name = row["id"]
        return Model(name, task=self.task_of(name), context=_context_of(row))

    def task_of(self, name: str) -> str:
        """Return what a model is for: as told, or else by its name."""
        if self.options.task:
            return self.options.task
        if SCORES.search(name):
            return "score"
        return "embed" if EMBEDS.search(name) else "generate"

    async def load(self) -> Load:
        """Return how busy it says it is."""
        return gauges.load_of(gauges.read(await self.get_text("/metrics")), self.names)

    async def version(self) -> str:
        """Return its version, if it has a way to say it."""
        return ""

    async def _quietly_load(self) -> Load:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.load()
        except FAULTS:
            return Load()

    async def _quietly_version(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                said = await self.version()
                return "".join(filter(str.isprintable, said))[:64]
        except FAULTS:
            return ""

    async def get_json(
        self, path: str, *, beside: bool = False, body: bytes | None = None
    ) -> dict[str, Any]:
        """Ask for JSON below the base URL, or ``beside`` it: below the server's root."""
        status, content = await self._get(path, beside=beside, body=body)
        if status != HTTPStatus.OK:
            raise Unclear(f"it answers {path} with status {status}")
        said = json.loads(content)
        if not isinstance(said, dict):
            raise Unclear(f"it answers {path}, but not with an object")
        return said

    async def get_text(self, path: str) -> str:
        """Ask for text beside the base URL."""
        status, content = await self._get(path, beside=True)
        return content.decode(errors="replace") if status == HTTPStatus.OK else ""

    async def _get(
        self, path: str, *, beside: bool, body: bytes | None = None
    ) -> tuple[int, bytes]:
        address, key = self.options.address, self.options.key
        base = address.path.removesuffix("/v1") if beside else address.path
        return await call.fetch(address, base + path, key, most=ANSWER_MAX, body=body)


def _context_of(row: Mapping[str, Any]) -> int | None:
    meta = row.get("meta")
    places = (row, meta if isinstance(meta, dict) else {})
    for name in ("max_model_len", "context_length", "context_window", "n_ctx"):
        for place in places:
            if type(place.get(name)) is int and place[name] > 0:
                return int(place[name])
    return None


def _trouble(fault: BaseException, address: Address) -> str:
    if isinstance(fault, TimeoutError):
        return f"{address.host}:{address.port} does not answer within {PATIENCE_S:.0f} s"
    return str(fault)
