"""The engines of a machine, each on a stand: what all of them serve, and who is asked; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xim.engines.adapter import Adapter
from xim.engines.seen import Load, Model, Seen
from xim.link.frames import Code
from xim.link.messages import Ask
from xim.serve.answer import Count, Engine
from xim.serve.places import Places, Refusal, refusal_of

TELLING = (Code.DRAINING, Code.BUSY, Code.UNREACHABLE, Code.UNKNOWN_MODEL)
"""Of several engines that refuse, whose reason is told: one that has the model knows best."""


@dataclass(slots=True)
class Stand:
    """An engine: how it is watched, how it is asked, and how many requests it takes at once."""

    adapter: Adapter
    engine: Engine
    places: Places
    seen: Seen = field(default_factory=lambda: Seen(trouble="the engine was not asked yet"))
    count: Count = field(default_factory=Count)

    @property
    def running(self) -> int:
        """Return how much runs: ours, or what the engine says, whichever is more."""
        return max(self.places.running, self.seen.load.running or 0)

    @property
    def tokens(self) -> float:
        """Return how many tokens it has generated, by its own count if it has one."""
        generated = self.seen.load.tokens
        return self.count.events if generated is None else generated

    @property
    def is_settled(self) -> bool:
        """Say whether it answers, and is not loading a model."""
        return not self.seen.trouble and all(one.serves for one in self.seen.models)


def pick(ask: Ask, stands: Sequence[Stand], *, drains: bool) -> Stand | Refusal:
    """Return who answers: of those that can, the one with most room; else why nobody does."""
    refusals: list[Refusal] = []
    for stand in sorted(stands, key=lambda one: (bool(one.seen.trouble), one.places.share)):
        refusal = refusal_of(ask, stand.seen, stand.places, drains=drains)
        if refusal is None:
            return stand
        refusals.append(refusal)
    return min(refusals, key=lambda one: TELLING.index(one.code))


def models_of(stands: Sequence[Stand]) -> list[dict[str, Any]]:
    """Return every model as a STATE says it, once, though several engines serve it."""
    known: dict[str, Model] = {}
    running: dict[str, int] = {}
    for stand in stands:
        for one in stand.seen.models:
            running[one.name] = running.get(one.name, 0) + stand.places.by_model[one.name]
            if one.name not in known or (one.serves and not known[one.name].serves):
                known[one.name] = one
    return [one.said(running[name]) for name, one in known.items()]


def load_of(stands: Sequence[Stand]) -> Load:
    """Return how busy the machine is: its fullest memory counts, for that is what ends first."""
    memories = [stand.seen.load.kv for stand in stands if stand.seen.load.kv is not None]
    return Load(
        running=sum(stand.running for stand in stands),
        waiting=sum(stand.seen.load.waiting or 0 for stand in stands),
        kv=max(memories, default=None),
        tokens=sum(stand.tokens for stand in stands),
    )
