"""``make check``: is what was generated what would be generated now?

Migrations against models, ``docs/openapi.yaml`` against the API, built styles against their
sources (where Node is installed; a sentence says so where it is not).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from xerotier_site.embedded.process import inherited

ROOT = Path(__file__).parents[2]
QUIET = ("--no-audit", "--no-fund", "--loglevel=error")
OPENAPI = ROOT / "docs" / "openapi.yaml"


def main() -> int:
    """Say what is stale, all of it; 1 if anything is."""
    stale = [*missing_migrations(), *stale_openapi(), *stale_styles()]
    for sentence in stale:
        sys.stdout.write(f"{sentence}\n")
    return 1 if stale else 0


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**inherited(), "XEROTIER_ENV": "test", "XEROTIER_HOME": tempfile.gettempdir()}
    return subprocess.run(  # noqa: S603 - our own words
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def _manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(sys.executable, "-W", "ignore", "manage.py", *arguments)


def missing_migrations() -> Iterator[str]:
    """Compare models with migrations; no database is needed."""
    outcome = _manage("makemigrations", "--check", "--dry-run")
    if outcome.returncode:
        yield f"Migrations are missing (makemigrations):\n{outcome.stdout}{outcome.stderr}"


def stale_openapi() -> Iterator[str]:
    """Compare the API with the document that describes it."""
    if not OPENAPI.is_file():
        yield "docs/openapi.yaml is missing (manage.py spectacular --file docs/openapi.yaml)."
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "openapi.yaml"
        outcome = _manage("spectacular", "--fail-on-warn", "--validate", "--file", str(fresh))
        if outcome.returncode:
            yield f"The API cannot be described:\n{outcome.stdout}{outcome.stderr}"
        elif fresh.read_text() != OPENAPI.read_text():
            yield "docs/openapi.yaml is stale (manage.py spectacular --file docs/openapi.yaml)."


def stale_styles() -> Iterator[str]:
    """Build the pages' styles and scripts again, and ask Git whether anything differs."""
    npm = shutil.which("npm")
    if not (ROOT / "package.json").is_file():
        return
    if npm is None:
        sys.stdout.write("Built styles were not compared: Node is not installed.\n")
        return
    before = _fingerprint()
    # Not every registry has every platform's binaries, which `ci` insists on.
    install = _run(npm, "ci", *QUIET)
    if install.returncode:
        install = _run(npm, "install", "--no-save", *QUIET)
    build = _run(npm, "run", "build")
    for outcome in (install, build):
        if outcome.returncode:
            yield f"{' '.join(outcome.args)} failed:\n{outcome.stdout}{outcome.stderr[:2000]}"
            return
    if _fingerprint() != before:
        yield "static/ was stale; npm run build has just mended it. Look at git diff."


def _fingerprint() -> dict[str, bytes]:
    static = ROOT / "static"
    return {str(path): path.read_bytes() for path in static.rglob("*") if path.is_file()}


if __name__ == "__main__":
    sys.exit(main())
