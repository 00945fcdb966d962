"""Small files of ``KEY=value`` lines that only their owner reads; shells can read them too."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """Return what a file says; nothing if there is none."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs if name[:1] != "#"}


def write(path: Path, values: Mapping[str, str], *, about: str = "") -> None:
    """Write a file of mode 0600, whole or not at all."""
    half = path.with_name(f".{path.name}.half")
    half.unlink(missing_ok=True)
    lines = [f"# {about}"] if about else []
    lines += [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
