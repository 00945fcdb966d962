"""Make or refresh ``.venv``, with nothing but the Python that runs this file.

    python3 xerotier_site/embedded/environment.py [--dev]

Runs before anything is installed, so it imports the standard library only. The Makefile has
looked at the Python's version before.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / ".stamp"
RUN = ["requirements.txt", "xim/requirements.txt"]
DEV = ["requirements-dev.txt"]
NODE = ROOT / "xim"
"""The node program: installed from its folder, so that ``.venv/bin/xim`` is there."""


def complain(sentence: str) -> NoReturn:
    """Say why we stop, and stop."""
    sys.stderr.write(f"{sentence}\n")
    sys.exit(1)


def check_python() -> None:
    """Refuse a Python that cannot make an environment."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        complain(
            "This Python cannot make environments (no venv module); "
            "on Debian and Ubuntu install python3-venv."
        )


def mark_of(files: list[str]) -> str:
    """Return what an up-to-date environment is stamped with."""
    mark = hashlib.sha256(f"{sys.version_info[:3]} {ROOT}".encode())
    for name in files:
        mark.update((ROOT / name).read_bytes())
    mark.update((NODE / "pyproject.toml").read_bytes())
    return mark.hexdigest()


def marks() -> list[str]:
    """Return the stamps the environment has."""
    return STAMP.read_text().split() if STAMP.is_file() else []


def run(argv: Sequence[object]) -> bool:
    """Run a command in plain sight; say whether it worked."""
    words = [str(word) for word in argv]
    return subprocess.call(words, stdin=subprocess.DEVNULL) == 0  # noqa: S603 - our own words


def lines_of(package: str, lock: str) -> str:
    """Return a package's lines of a lock file: its version and its hashes."""
    taken: list[str] = []
    for line in (ROOT / lock).read_text().splitlines():
        if line.startswith(f"{package}==") or (taken and line.startswith("    --hash")):
            taken.append(line)
        elif taken:
            break
    return "\n".join(taken).rstrip("\\ ")


def pip(*words: object) -> bool:
    """Install with pip; say whether it worked."""
    quiet = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-compile"]
    return run([PYTHON, "-m", "pip", "install", *quiet, *words])


def has_uv() -> bool:
    """Put uv into the environment, the pinned one; say whether it is there."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(lines_of("uv", "requirements-dev.txt"))
        wanted.flush()
        return pip("-r", wanted.name)


def install(files: list[str]) -> bool:
    """Install pinned packages: with uv in seconds, or with pip where uv does not get through."""
    wanted: list[object] = [word for name in files for word in ("-r", ROOT / name)]
    uv = [HOME / "bin" / "uv", "pip", "install", "--require-hashes", "--python", PYTHON]
    if has_uv() and run([*uv, "--quiet", "--link-mode=copy", *wanted]):
        return True
    sys.stderr.write("uv could not install everything; pip tries now (about a minute).\n")
    return pip("--progress-bar=on", *wanted)


def install_node() -> bool:
    """Install the node program as it lies here: what is changed there needs no second install.

    All it needs is installed, its build backend too, so nothing comes from an index.
    """
    words = ["--quiet", "--no-deps", "--no-build-isolation", "--editable", NODE]
    if run([HOME / "bin" / "uv", "pip", "install", "--python", PYTHON, *words]):
        return True
    return run([PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *words])


def make(files: list[str]) -> None:
    """Make the environment and put everything in it."""
    sys.stdout.write(f"Installing what {', '.join(files)} pin …\n")
    sys.stdout.flush()
    if not PYTHON.exists() and not run([sys.executable, "-m", "venv", HOME]):
        complain(f"The environment {HOME} cannot be made; the lines above say why.")
    if not install(files):
        complain("The packages cannot be installed; the lines above say why.")
    if not install_node():
        complain("The node program (xim) cannot be installed; the lines above say why.")


def main() -> None:
    """Make the environment, or leave it alone when it is up to date."""
    check_python()
    is_dev = "--dev" in sys.argv
    files = DEV if is_dev else RUN
    mark = mark_of(files)
    # A link is someone else's environment, lent to this checkout.
    if HOME.is_symlink() or (PYTHON.exists() and mark in marks()):
        return
    started = time.monotonic()
    make(files)
    # Development packages hold all that running needs: both are up to date then.
    current = [mark_of(RUN), mark_of(DEV)] if is_dev else [mark]
    STAMP.write_text("\n".join(current))
    sys.stdout.write(f"Installed in {time.monotonic() - started:.0f} s.\n")


if __name__ == "__main__":
    main()
