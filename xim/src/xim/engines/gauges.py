"""Numbers out of an engine's own ``/metrics`` (Prometheus text format); pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xim.engines.seen import Load

COUNT_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Names:
    """What an engine calls what we want to know; the first that is there counts."""

    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kv: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


VLLM = Names(
    running=("vllm:num_requests_running",),
    waiting=("vllm:num_requests_waiting",),
    kv=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    tokens=("vllm:generation_tokens_total", "vllm:generation_tokens"),
)
SGLANG = Names(
    running=("sglang:num_running_reqs",),
    waiting=("sglang:num_queue_reqs",),
    kv=("sglang:token_usage",),
    tokens=("sglang:generation_tokens_total",),
)
LLAMACPP = Names(
    running=("llamacpp:requests_processing",),
    waiting=("llamacpp:requests_deferred",),
    tokens=("llamacpp:tokens_predicted_total",),
)
TGI = Names(running=("tgi_batch_current_size",), waiting=("tgi_queue_size",))


def read(text: str) -> dict[str, float]:
    """Return each metric's value, added up over its labels; lines that are none are left out."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line.strip() or line[0] == "#":
            continue
        name, brace, labelled = line.partition("{")
        if brace:
            said = labelled.rpartition("}")[2].split()
        else:
            name, *said = line.split()
        try:
            value = float(said[0])
        except (IndexError, ValueError):
            continue
        if math.isfinite(value):
            found[name] = found.get(name, 0.0) + value
    return found


def load_of(found: Mapping[str, float], names: Names) -> Load:
    """Return what the metrics say of an engine's load."""
    running, waiting = _first(found, names.running), _first(found, names.waiting)
    kv = _first(found, names.kv)
    return Load(
        running=None if running is None else _count(running),
        waiting=None if waiting is None else _count(waiting),
        kv=None if kv is None else min(1.0, max(0.0, kv)),
        tokens=_first(found, names.tokens),
    )


def _count(value: float) -> int:
    return int(min(COUNT_MAX, max(0.0, value)))


def _first(found: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((found[name] for name in names if name in found), None)
