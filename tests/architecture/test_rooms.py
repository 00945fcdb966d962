"""Guard: data plane and pages stay a handful of rooms, and each of them says what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANE, PAGES = ROOT / "inference", ROOT / "dashboard"
ENTRIES_MAX = 15
ROOMS = sorted(
    path.parent.relative_to(ROOT)
    for path in (*PLANE.glob("*/__init__.py"), *PAGES.glob("*/__init__.py"))
)
OVERVIEW = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("root", "files"), [(PLANE, set()), (PAGES, {"apps.py", "urls.py"})])
def test_root_is_taken_in_at_a_glance(root: Path, files: set[str]) -> None:
    # A folder that was moved away may stay behind with nothing but what Python left there.
    entries = {
        found.name for found in root.iterdir() if found.is_file() or any(found.rglob("*.py"))
    }

    assert len(entries) <= ENTRIES_MAX + len(files)
    assert entries == {"__init__.py", *files, *rooms_in(root)}


@pytest.mark.parametrize("room", [room for room in ROOMS if room.name != "tests"], ids=str)
def test_room_says_what_it_is_for_and_stands_on_the_map(room: Path) -> None:
    sentence = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))

    assert sentence is not None
    assert sentence.splitlines()[0].endswith(".")
    assert f" {room.name} " in OVERVIEW


def test_templates_of_pages_lie_in_rooms_of_the_same_names() -> None:
    folders = {found.name for found in (ROOT / "templates/dashboard").iterdir()}

    assert folders <= rooms_in(PAGES)


def rooms_in(root: Path) -> set[str]:
    return {room.name for room in ROOMS if ROOT / room.parent == root}
