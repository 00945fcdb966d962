"""The built-in models: what each needs, and which of them can run here and now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xerotier_site.embedded import logbook, parts
from xerotier_site.embedded.parts import Part
from xim.bundled import machine, weights

MakePart = Callable[[int, Path, Path, Callable[[], bool]], Part]


@dataclass(frozen=True, slots=True)
class Engine:
    """A model that comes with the platform."""

    weights: weights.Weights
    part: MakePart
    kind: str
    model: str
    needs_avx2: bool


ENGINES = (
    Engine(weights.CHAT, parts.chat, "llamacpp", "smollm2-135m-instruct", needs_avx2=True),
    Engine(weights.TOKENIZER, parts.embed, "openai", "all-minilm-l6-v2", needs_avx2=False),
)


@dataclass(frozen=True, slots=True)
class Absent:
    """A model that does not run, and the sentence that says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Present:
    """A model that can be started: its weights are in place."""

    engine: Engine
    place: Path


def find(
    folder: Path, run: weights.Runner, *, has_avx2: bool | None = None
) -> Iterator[Present | Absent]:
    """Look at each model in turn; fetch its weights if they are not there."""
    can_avx2 = machine.has_avx2() if has_avx2 is None else has_avx2
    for engine in ENGINES:
        if engine.needs_avx2 and not can_avx2:
            yield Absent(f"{engine.weights.name} needs a processor with AVX2; this one has none.")
            continue
        if not weights.is_in_place(engine.weights, folder):
            logbook.say(f"Fetching {engine.weights.name} …")
        try:
            yield Present(engine, weights.fetch(engine.weights, folder, run=run))
        except weights.WeightsMissing as fault:
            yield Absent(str(fault))
