"""What ``xim run`` was told; values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from xim.engines.launch import Gguf
from xim.sim.server import Options as SimOptions

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """One engine: its kind, and what else was said of it. ``gguf``: it is started by us."""

    kind: str
    url: str = ""
    key: str = field(default="", repr=False)
    task: str = ""
    slots: int = 0
    allow_remote_models: bool = False
    gguf: Gguf | None = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What ``xim run`` was told."""

    state: Path
    engines: tuple[EngineOptions, ...]
    accelerator: str = ""
    sim: SimOptions = field(default_factory=SimOptions)
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK
    grace_s: float = 30.0

    @property
    def is_simulated(self) -> bool:
        """Say whether one of the engines is the simulator."""
        return any(one.kind == "sim" for one in self.engines)
