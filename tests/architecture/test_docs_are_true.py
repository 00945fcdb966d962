"""Guards: what the documentation lists is what the code has, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from api.middleware import _BUG
from api.problems import _BY_CLASS
from common.problems import Problem
from inference.http.problems import CODES
from xerotier_site import known_settings

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:toml|md|py))`")
SECTION = re.compile(r"^### `([a-z_0-9]+)`\n\nStatus (\d+)\.", re.MULTILINE)


for module in ROOT.glob("*/errors.py"):
    import_module(f"{module.parent.name}.errors")


def problems_of(kind: type[Problem]) -> Iterator[type[Problem]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from problems_of(subclass)


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {(code, int(status)) for code, status in SECTION.findall(errors_page())}

    known = {(code, status) for code, (status, _) in CODES.items()}
    known |= {(kind.code, kind.status) for kind in problems_of(Problem)}
    known |= {(code, status) for _, status, code, _ in _BY_CLASS}
    known.add((_BUG[0], 500))
    assert documented == known


def test_every_error_code_has_one_section_with_an_example_and_what_to_do() -> None:
    sections = re.split(r"^### ", errors_page(), flags=re.MULTILINE)[1:]
    codes = {one.split("`")[1]: one for one in sections if one.startswith("`")}

    assert len(codes) == sum(one.startswith("`") for one in sections)
    assert [code for code, one in codes.items() if "**Do:**" not in one or "\n> " not in one] == []


def test_every_setting_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in settings_modules())
    asked = set(
        re.findall(
            r'(?:text|flag|number|names|choice|networks|url|mail_server|keyring|currency)\(\s*"([A-Z0-9_]+)"',
            source,
        )
    )

    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"^\| `([A-Z0-9_]+)` \|", page, re.MULTILINE))
    assert {name for name in asked if name.startswith("XEROTIER_")} == known_settings.NAMES


def test_what_the_first_run_writes_down_may_stand_in_the_environment_of_the_next() -> None:
    source = (ROOT / "xerotier_site" / "first_run.py").read_text(encoding="utf-8")
    written = set(re.findall(r'"(XEROTIER_[A-Z_]+)":', source))

    assert "XEROTIER_PROJECT" in written
    assert written - known_settings.NAMES - known_settings.NEIGHBOURS == set()


def errors_page() -> str:
    return (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


def settings_modules() -> list[Path]:
    return sorted((ROOT / "xerotier_site").glob("*.py"))


def test_every_test_that_security_names_exists() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+/[\w/]+(?:\.py)?)(?:::(test_\w+))?`", page)

    assert len([test for _, test in named if test]) >= 20
    for path, test in named:
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test


@pytest.mark.parametrize(("page", "at_least"), [("contributing", 50), ("glossary", 9)])
def test_every_path_that_is_named_for_newcomers_exists(page: str, at_least: int) -> None:
    named = PATH.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))

    assert len(named) >= at_least
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_each_change_in_contributing_touches_as_many_files_as_it_says() -> None:
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    parts = page.split("\n### ")[1:]
    said = {part.split(":")[0]: int(re.findall(r"(\d+) files?\n", part)[0]) for part in parts}
    listed = {part.split(":")[0]: len(re.findall(r"^- `", part, re.MULTILINE)) for part in parts}

    assert len(said) == len(parts) == 5
    assert listed == said
