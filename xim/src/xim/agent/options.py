"""What ``xim run`` was told; values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from xim.engines.launch import Gguf
from xim.sim.server import Options as SimOptions

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What ``xim run`` was told."""

    state: Path
    engine: str = "openai"
    engine_url: str = ""
    engine_key: str = ""
    task: str = ""
    accelerator: str = ""
    slots: int = 0
    allow_remote_models: bool = False
    gguf: Gguf | None = None
    sim: SimOptions = field(default_factory=SimOptions)
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK
    grace_s: float = 30.0
