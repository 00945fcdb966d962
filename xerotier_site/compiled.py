"""The data plane, compiled: the same sources through mypyc, used only while they are the same.

``python -m xerotier_site.compiled`` builds; ``use`` lets this process import what was built.
A build is named by a fingerprint of every source it was made from, so a changed file is never
served by an old build: without a fitting one the sources run as they are, and as correctly
(docs/adr/0015).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
BUILDS = Path(sys.prefix) / "compiled"
MANIFEST = "modules.json"

INTERPRETED = frozenset(
    {
        "inference.admission.library",
        "inference.admission.reaper",
        "inference.admission.service",
        "inference.admission.upkeep",
        "inference.body.fast_shapes",
        "inference.contracts.agents",
        "inference.contracts.functions",
        "inference.contracts.pass_keys",
        "inference.edges.asgi",
        "inference.edges.context",
        "inference.edges.cycles",
        "inference.edges.forwarded",
        "inference.fleet.health_checks",
        "inference.fleet.tunnel.handshake",
        "inference.fleet.tunnel.messages",
        "inference.fleet.tunnel.trust",
        "inference.gate.passes",
        "inference.gateway.agents",
        "inference.gateway.choosing",
        "inference.gateway.figures",
        "inference.gateway.gateway",
        "inference.gateway.hops",
        "inference.gateway.ops",
        "inference.gateway.published",
        "inference.gateway.reports",
        "inference.gateway.transports",
        "inference.http.jws",
        "inference.sources.url",
        "inference.sources.valkey",
        "inference.telemetry.scrape",
    }
)
"""Modules that no request waits for, or that live by what mypyc does not do."""

SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(
    name="plane",
    packages=[],
    py_modules=[],
    ext_modules=mypycify({arguments!r}, opt_level="1", debug_level="0", multi_file=True),
)
"""
CONFIG = """
[mypy]
strict = true
[mypy-httptools.*,uvloop.*]
ignore_missing_imports = true
"""


class NotBuilt(Exception):
    """The data plane could not be compiled; the message says what to do."""


def use() -> bool:
    """Import the data plane from its build, if there is one of these very sources.

    Must come before the first import of ``inference``.
    """
    folder = BUILDS / fingerprint()
    manifest = folder / MANIFEST
    if not manifest.exists():
        return False
    files = {name: folder / file for name, file in json.loads(manifest.read_text()).items()}
    sys.meta_path.insert(0, _Finder(files))
    return True


def is_used() -> bool:
    """Say whether this process imports the data plane from its build."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def fingerprint() -> str:
    """Name these sources, this Python and this machine's kind."""
    seen = hashlib.sha256(f"{sys.version} {platform.machine()} {platform.libc_ver()}".encode())
    for file in (Path(__file__), *_sources()):
        seen.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return seen.hexdigest()[:16]


def build() -> Path:
    """Compile, and return the folder of the build. Raises ``NotBuilt``."""
    target = BUILDS / fingerprint()
    if (target / MANIFEST).exists():
        return target
    BUILDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILDS, prefix="making-") as made:
        folder = Path(made)
        _compile(folder)
        _collect(folder, target)
    _keep_newest(target)
    return target


class _Finder(MetaPathFinder):
    """Finds the modules of a build. Packages come from their sources, and so does the rest."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def find_spec(
        self,
        fullname: str,
        _path: Sequence[str] | None,
        _target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec of a compiled module, none for any other."""
        file = self._files.get(fullname)
        if file is None:
            return None
        loader = ExtensionFileLoader(fullname, str(file))
        return spec_from_file_location(fullname, file, loader=loader)


def _sources() -> list[Path]:
    return sorted(f for f in (ROOT / "inference").rglob("*.py") if "tests" not in f.parts)


def _compiled_sources() -> list[Path]:
    return [
        file.relative_to(ROOT)
        for file in _sources()
        if file.name != "__init__.py" and _module_of(file.relative_to(ROOT)) not in INTERPRETED
    ]


def _module_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts)


def _compile(folder: Path) -> None:
    for file in _sources():
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    (folder / "mypy.ini").write_text(CONFIG)
    arguments = ["--config-file", "mypy.ini", *map(str, _compiled_sources())]
    (folder / "setup.py").write_text(SETUP.format(arguments=arguments))
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(  # noqa: S603 - our own words
        [*command, "-j", str(os.cpu_count() or 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotBuilt(_advice(done.stdout + done.stderr))


def _advice(said: str) -> str:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which("cc") is None or not header.exists():
        return (
            "The data plane is compiled with a C compiler and Python's headers, and one of them is "
            "missing here. On Debian: apt install gcc python3-dev. Without a build the gateway "
            "works as it is, and costs more."
        )
    return said


def _collect(folder: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    modules = {}
    suffix = EXTENSION_SUFFIXES[0]
    for file in sorted({*folder.glob(f"*{suffix}"), *folder.glob(f"inference/**/*{suffix}")}):
        name = ".".join(file.relative_to(folder).parts).removesuffix(suffix)
        shutil.copyfile(file, target / f"{name}{suffix}")
        modules[name] = f"{name}{suffix}"
    # Written last: what has a manifest is whole.
    (target / MANIFEST).write_text(json.dumps(modules, indent=1))


def _keep_newest(newest: Path) -> None:
    others = [folder for folder in BUILDS.iterdir() if folder.is_dir() and folder != newest]
    for old in sorted(others, key=lambda folder: folder.stat().st_mtime)[:-3]:
        shutil.rmtree(old, ignore_errors=True)


def main() -> int:
    """Build, and say where."""
    try:
        folder = build()
    except NotBuilt as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write(f"The data plane is compiled: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
