"""``make lock``: compile the requirements, pinned and hashed, each list bound by the one before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIXED = ["--python-version=3.11", "--generate-hashes", "--no-header", "--quiet"]
SILENT = ["--no-emit-index-url", "--no-emit-find-links"]
LISTS = {
    "requirements": [],
    "xim/requirements": ["requirements.txt"],
    "requirements-dev": ["requirements.txt", "xim/requirements.txt"],
    "tests/clients/requirements": [],
}


def main(extra: list[str]) -> int:
    """Compile every list; further arguments go to uv (``--upgrade``)."""
    uv = str(Path(sys.executable).with_name("uv"))
    for name, bounds in LISTS.items():
        constraints = [word for bound in bounds for word in ("--constraint", bound)]
        argv = [uv, "pip", "compile", *FIXED, *SILENT, *constraints, *extra]
        argv += [f"{name}.in", "--output-file", f"{name}.txt"]
        subprocess.run(argv, cwd=ROOT, check=True)  # noqa: S603 - our own words
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
