"""Who is let in: the slots of an engine, whatever the number of gateways; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from xim.engines.seen import Seen
from xim.link.frames import Code
from xim.link.messages import Ask

PATH = re.compile(r"/[a-z0-9][a-z0-9_/-]*(\?[!-~]*)?")
METHODS = {"GET", "POST"}


@dataclass(slots=True)
class Places:
    """How many requests run here, and how many may."""

    slots: int
    by_model: Counter[str] = field(default_factory=Counter)

    @property
    def running(self) -> int:
        """Return how many requests run; questions about the engine itself are none."""
        return self.by_model.total() - self.by_model[""]

    @property
    def share(self) -> float:
        """Return how much of the room is taken."""
        return self.running / self.slots if self.slots else 1.0

    @contextmanager
    def taken(self, model: str) -> Iterator[None]:
        """Take a slot."""
        self.by_model[model] += 1
        try:
            yield
        finally:
            self.by_model[model] -= 1
            self.by_model += Counter()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served here; it never reached the engine."""

    code: Code
    detail: str


def refusal_of(ask: Ask, seen: Seen, places: Places, *, drains: bool) -> Refusal | None:
    """Say why a request is not served, or None if it is."""
    if drains:
        return Refusal(Code.DRAINING, "this machine takes its leave")
    if ask.method not in METHODS or not PATH.fullmatch(ask.path) or "//" in ask.path:
        return Refusal(Code.UNKNOWN_MODEL, "this is no path of OpenAI's API")
    if not ask.model:
        return None  # Whether the engine lives is asked for, which takes no slot.
    if refusal := _model_refusal(ask.model, seen):
        return refusal
    if places.running >= places.slots:
        return Refusal(Code.BUSY, f"all {places.slots} slots are taken")
    return None


def _model_refusal(name: str, seen: Seen) -> Refusal | None:
    model = next((one for one in seen.models if one.name == name), None)
    if seen.trouble:
        return Refusal(Code.UNREACHABLE, seen.trouble)
    if model is None:
        return Refusal(Code.UNKNOWN_MODEL, f"no model {name} here")
    if not model.serves:
        return Refusal(Code.UNREACHABLE, model.reason or f"{name} is {model.status}")
    return None
