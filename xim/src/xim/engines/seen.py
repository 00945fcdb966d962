"""What was seen of an engine: its models and its load; values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OPERATIONS = {
    "generate": ("chat/completions", "completions"),
    "embed": ("embeddings",),
    "score": ("score", "rerank"),
}
"""Task → operations, as the platform knows them."""
MORE = {"generate": ("responses",), "embed": ("score", "rerank"), "score": ()}
"""Task → what only some engines of it speak: they are asked."""
TASKS = tuple(OPERATIONS)
NAME_MAX = 200
NUMBER_MAX = 1 << 50
READY, SLEEPING = "ready", "sleeping"
"""Statuses in which a model takes requests; a sleeping one wakes by being asked."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of an engine."""

    name: str
    status: str = READY
    reason: str = ""
    task: str = "generate"
    context: int | None = None
    size_bytes: int | None = None
    operations: tuple[str, ...] = ()
    """What it was seen to speak; empty: what every engine of its task does."""

    @property
    def serves(self) -> bool:
        """Say whether it takes requests."""
        return self.status in {READY, SLEEPING}

    @property
    def is_sound(self) -> bool:
        """Say whether it can be told to a gateway: an engine may say anything of itself."""
        numbers = [number for number in (self.context, self.size_bytes) if number is not None]
        is_named = 0 < len(self.name) <= NAME_MAX and self.name.isprintable()
        return is_named and all(0 <= number <= NUMBER_MAX for number in numbers)

    def said(self, running: int) -> dict[str, Any]:
        """Return it as a STATE says it."""
        return {
            "name": self.name,
            "status": self.status,
            "reason": self.reason,
            "progress": None,
            "task": self.task,
            "context": self.context,
            "operations": list(self.operations or OPERATIONS[self.task]),
            "size_bytes": self.size_bytes,
            "running": running,
        }


@dataclass(frozen=True, slots=True)
class Load:
    """How busy an engine says it is; None where it does not say."""

    running: int | None = None
    waiting: int | None = None
    kv: float | None = None
    tokens: float | None = None
    """Tokens generated since its start."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an engine at one moment."""

    models: tuple[Model, ...] = ()
    load: Load = field(default_factory=Load)
    version: str = ""
    trouble: str = ""
    """Why nothing is served, in words; empty if all is well."""
