"""``make env-clients``: the OpenAI clients that others write, in an environment of their own.

They pin each other's versions and ours in ways that no single environment satisfies, and a
platform needs none of them. ``tests/docs`` runs the guide's examples with them.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-clients"
PYTHON = HOME / "bin" / "python"
LOCK = ROOT / "tests" / "clients" / "requirements.txt"
STAMP = HOME / ".stamp"


def is_current() -> bool:
    """Say whether the environment is there, as the lock file wants it."""
    return STAMP.is_file() and STAMP.read_text() == _mark()


def main() -> int:
    """Make the environment, or leave it alone when it is up to date."""
    if is_current():
        return 0
    uv = str(Path(sys.executable).with_name("uv"))
    for words in (
        ["venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)],
        ["pip", "install", "--quiet", "--require-hashes", "--python", str(PYTHON), "-r", str(LOCK)],
    ):
        code = subprocess.call([uv, *words])  # noqa: S603 - our own words
        if code:
            return code
    STAMP.write_text(_mark())
    return 0


def _mark() -> str:
    return hashlib.sha256(f"{sys.version_info[:3]} {ROOT}".encode() + LOCK.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
