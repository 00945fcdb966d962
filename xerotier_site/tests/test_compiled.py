"""A build is used only while the sources are those it was made from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xerotier_site import compiled


@pytest.fixture
def finders() -> Iterator[None]:
    before = list(sys.meta_path)
    yield
    sys.meta_path[:] = before


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of one module, and a build of it."""
    plane = tmp_path / "inference"
    plane.mkdir()
    (plane / "__init__.py").write_text("")
    (plane / "hot.py").write_text("SPEED = 1\n")
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    monkeypatch.setattr(compiled, "__file__", str(plane / "hot.py"))
    monkeypatch.setattr(compiled, "BUILDS", tmp_path / "compiled")
    folder = compiled.BUILDS / compiled.fingerprint()
    folder.mkdir(parents=True)
    (folder / compiled.MANIFEST).write_text(json.dumps({"inference.hot": "inference.hot.so"}))
    return tmp_path


@pytest.mark.usefixtures("finders")
def test_build_of_these_sources_is_found_and_packages_stay_sources(home: Path) -> None:
    was_used = compiled.is_used()

    assert compiled.use()

    [finder] = [f for f in sys.meta_path if isinstance(f, compiled._Finder)][:1]
    spec = finder.find_spec("inference.hot", None)
    assert spec is not None
    assert Path(spec.origin or "").parent.parent == home / "compiled"
    assert finder.find_spec("inference", None) is None
    assert compiled.is_used() or was_used


@pytest.mark.usefixtures("finders")
def test_changed_source_is_never_served_by_an_old_build(home: Path) -> None:
    before = list(sys.meta_path)
    (home / "inference" / "hot.py").write_text("SPEED = 2\n")

    assert not compiled.use()

    assert sys.meta_path == before


@pytest.mark.usefixtures("finders")
def test_new_source_counts_and_a_test_does_not(home: Path) -> None:
    name = compiled.fingerprint()
    (home / "inference" / "tests").mkdir()
    (home / "inference" / "tests" / "test_hot.py").write_text("")
    assert compiled.fingerprint() == name

    (home / "inference" / "cold.py").write_text("")

    assert compiled.fingerprint() != name


def test_half_a_build_is_none(home: Path) -> None:
    for folder in (home / "compiled").iterdir():
        (folder / compiled.MANIFEST).unlink()

    assert not compiled.use()


def test_missing_compiler_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "inference" / "hot.py").write_text("def wrong() -> int:\n    return ''\n")
    monkeypatch.setattr("shutil.which", lambda _name: None)

    assert compiled.main() == 1

    assert "apt install gcc python3-dev" in capsys.readouterr().err
    assert len(list((home / "compiled").iterdir())) == 1


def test_every_module_left_out_exists() -> None:
    sources = {compiled._module_of(f.relative_to(compiled.ROOT)) for f in compiled._sources()}

    assert sources >= compiled.INTERPRETED
