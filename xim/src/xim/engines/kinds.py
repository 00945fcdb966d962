"""The engines people run, each with what it says beyond OpenAI's API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from xim.engines import gauges
from xim.engines.adapter import Adapter, Unclear
from xim.engines.seen import READY, SLEEPING, Load, Model


class Vllm(Adapter):
    """vLLM: one entry for each served name; says most by itself."""

    kind = "vllm"
    default_url = "http://127.0.0.1:8000/v1"
    slots = 128
    names = gauges.VLLM

    async def version(self) -> str:
        """Return its version."""
        return str((await self.get_json("/version", beside=True)).get("version", ""))


class Sglang(Adapter):
    """SGLang: metrics only with ``--enable-metrics``."""

    kind = "sglang"
    default_url = "http://127.0.0.1:30000/v1"
    slots = 128
    names = gauges.SGLANG

    async def version(self) -> str:
        """Return its version."""
        return str((await self.get_json("/server_info", beside=True)).get("version", ""))


class Llamacpp(Adapter):
    """llama.cpp: one model; KV use stands in ``/slots``, where that is on."""

    kind = "llamacpp"
    default_url = "http://127.0.0.1:8080/v1"
    slots = 4
    names = gauges.LLAMACPP

    async def models(self) -> tuple[Model, ...]:
        """Return its one model, loading as long as its health says so."""
        status, _ = await self._get("/health", beside=True)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return (Model("default", "loading", "llama.cpp loads its model"),)
        return await super().models()

    def model_of(self, row: Mapping[str, Any]) -> Model:
        """Return its model, whose size it knows."""
        plain = super().model_of(row)
        meta = row.get("meta")
        size = meta.get("size") if isinstance(meta, dict) else None
        known = size if type(size) is int else None
        return Model(plain.name, task=plain.task, context=plain.context, size_bytes=known)

    async def load(self) -> Load:
        """Return what its metrics and its slots say."""
        said = await super().load()
        return Load(said.running, said.waiting, await self._kv(), said.tokens)

    async def _kv(self) -> float | None:
        status, content = await self._get("/slots", beside=True)
        slots = json.loads(content) if status == HTTPStatus.OK else None
        if not isinstance(slots, list) or not slots:
            return None
        room = sum(_number(slot, "n_ctx") for slot in slots)
        used = sum(_number(slot, "n_past") or _number(slot, "n_tokens") for slot in slots)
        return min(1.0, used / room) if room else None


class Ollama(Adapter):
    """Ollama: lists all it has, loads what is asked for, and may pass on to a cloud."""

    kind = "ollama"
    default_url = "http://127.0.0.1:11434/v1"
    slots = 1

    async def models(self) -> tuple[Model, ...]:
        """Return what lies on this machine; what somebody else would answer is left out.

        A model of a cloud sends the prompts of tenants to a third party.
        """
        rows = (await self.get_json("/api/tags", beside=True)).get("models")
        if not isinstance(rows, list):
            raise Unclear("it answers /api/tags, but not with a list of models")
        loaded = await self._loaded()
        found = [row for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)]
        kept = [row for row in found if self.options.allow_remote_models or not is_remote(row)]
        return tuple(self._model(row, loaded) for row in kept)

    def _model(self, row: Mapping[str, Any], loaded: set[str]) -> Model:
        name, size = row["name"], row.get("size")
        return Model(
            name,
            status=READY if name in loaded else SLEEPING,
            reason="" if name in loaded else "Ollama loads it when it is asked for",
            task=self.task_of(name),
            size_bytes=size if type(size) is int else None,
        )

    async def _loaded(self) -> set[str]:
        rows = (await self.get_json("/api/ps", beside=True)).get("models")
        named = rows if isinstance(rows, list) else []
        return {str(row.get("name")) for row in named if isinstance(row, dict)}

    async def load(self) -> Load:
        """Return nothing: it does not say."""
        return Load()

    async def version(self) -> str:
        """Return its version."""
        return str((await self.get_json("/api/version", beside=True)).get("version", ""))


class Simulated(Vllm):
    """The simulator, which speaks as vLLM does unless told otherwise."""

    kind = "sim"
    slots = 64


KINDS: dict[str, type[Adapter]] = {
    one.kind: one for one in (Adapter, Vllm, Sglang, Llamacpp, Ollama, Simulated)
}


def is_remote(row: Mapping[str, Any]) -> bool:
    """Say whether Ollama would pass this model's requests on to somebody else."""
    tag = str(row.get("name", "")).rpartition(":")[2]
    return bool(row.get("remote_host") or row.get("remote_model")) or tag.endswith("cloud")


def _number(row: object, name: str) -> int:
    value = row.get(name) if isinstance(row, dict) else None
    return value if type(value) is int and value > 0 else 0
