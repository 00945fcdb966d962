"""Guard: no file imports itself by way of others, not even to name a type.

import-linter holds the order of packages; inside one of its layers, and behind
``if TYPE_CHECKING``, it looks away.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
NOT_CODE = {"tests", "migrations"}


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = imports_of(ROOT, CONTRACTS["root_packages"])

    assert graph["inference.exchange.exchange"] >= {"inference.exchange.request"}
    assert circle_in(graph) == []


def test_no_file_of_the_node_program_does_either() -> None:
    graph = imports_of(ROOT / "xim/src", ["xim"])

    assert graph["xim.bundled.embed"] >= {"xim.bundled.encoder"}
    assert circle_in(graph) == []


def test_circle_that_only_types_close_is_found(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__init__.py").write_text("")
    (tmp_path / "app/whole.py").write_text("from app import part\n")
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.whole import Whole\n"
    (tmp_path / "app/part.py").write_text(late)

    assert set(circle_in(imports_of(tmp_path, ["app"]))) == {"app.whole", "app.part"}


@pytest.mark.parametrize("name", CONTRACTS["root_packages"])
def test_every_package_is_looked_at(name: str) -> None:
    assert (ROOT / name / "__init__.py").exists()


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        found: list[str] = circle.args[1]
        return found
    return []


def imports_of(root: Path, packages: list[str]) -> dict[str, set[str]]:
    """Return of each module which others it imports, wherever in it and for whatever reason."""
    files = dict(modules_of(root, packages))
    return {
        name: {seen for seen in imported_by(file) if seen in files and seen != name}
        for name, file in files.items()
    }


def modules_of(root: Path, packages: list[str]) -> Iterator[tuple[str, Path]]:
    for file in (file for package in packages for file in (root / package).rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        if not NOT_CODE & set(parts):
            yield ".".join(parts).removesuffix(".__init__"), file


def imported_by(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
