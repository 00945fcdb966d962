"""Guard: the data plane stays a handful of rooms, and each of them says what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANE = ROOT / "inference"
ENTRIES_MAX = 14
ROOMS = sorted(found.parent.name for found in PLANE.glob("*/__init__.py"))
OVERVIEW = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_root_of_the_data_plane_is_taken_in_at_a_glance() -> None:
    entries = {found.name for found in PLANE.iterdir()} - {"__pycache__"}

    assert len(entries) <= ENTRIES_MAX
    assert entries == {"__init__.py", *ROOMS}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "tests"])
def test_room_says_what_it_is_for_and_stands_on_the_map(room: str) -> None:
    sentence = ast.get_docstring(ast.parse((PLANE / room / "__init__.py").read_text()))

    assert sentence is not None
    assert sentence.splitlines()[0].endswith(".")
    assert f" {room} " in OVERVIEW
