"""``python -m tests.tools.ratio``: lines of test for each line of code, in the control plane.

A line counts if something on it runs or is a part of what runs: blank lines, comments and
docstrings are neither code nor test. Code is the Python of the apps and of the site that
joins them, management commands included; migrations are written by a machine and left out.
Tests are what lies in an app's ``tests`` folder, stand-ins and helpers included, and of
``tests/`` what asks the control plane: its own files and the folders in ``OF_THE_CONTROL_PLANE``,
without the guards that are about ``inference/`` alone.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = (
    "accounts",
    "agents",
    "api",
    "apikeys",
    "enrolment",
    "audit",
    "catalog",
    "common",
    "dashboard",
    "endpoints",
    "ledger",
    "projects",
    "publisher",
    "routing",
    "usage",
    "xerotier_site",
)
OF_THE_CONTROL_PLANE = ("architecture", "browser", "docs", "idp", "mail", "run")
OF_THE_DATA_PLANE = {"test_plane_is_alone.py", "test_rooms.py", "test_transports.py"}
NOTHING = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True, slots=True)
class Counted:
    """An app, or the tests of several."""

    name: str
    code: int
    tests: int

    @property
    def ratio(self) -> float:
        """Return how many lines of test there are for each of code."""
        return self.tests / self.code if self.code else 0.0


def counted() -> list[Counted]:
    """Return what each app has, then ``tests/``, which has no code, and all of it together."""
    rows = [_of_app(ROOT / name) for name in APPS]
    rows.append(Counted("tests/", 0, sum(map(lines_of, _shared()))))
    whole = Counted("all", sum(row.code for row in rows), sum(row.tests for row in rows))
    return [*rows, whole]


def lines_of(path: Path) -> int:
    """Return how many lines of a file hold more than words about it."""
    text = path.read_text(encoding="utf-8")
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOTHING:
            held.update(range(token.start[0], token.end[0] + 1))
    return len(held - _docstrings(text))


def _docstrings(text: str) -> set[int]:
    return {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _of_app(folder: Path) -> Counted:
    files = [path for path in folder.rglob("*.py") if "migrations" not in path.parts]
    tests = [path for path in files if "tests" in path.relative_to(ROOT).parts]
    code = sum(lines_of(path) for path in files if path not in tests)
    return Counted(folder.name, code, sum(map(lines_of, tests)))


def _shared() -> Iterator[Path]:
    tests = ROOT / "tests"
    yield from tests.glob("*.py")
    for folder in OF_THE_CONTROL_PLANE:
        yield from (
            path for path in (tests / folder).glob("*.py") if path.name not in OF_THE_DATA_PLANE
        )


def main() -> None:
    """Print a line for each app."""
    for row in counted():
        line = f"{row.name:<14} code {row.code:>6}  tests {row.tests:>6}  {row.ratio:5.2f}"
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
