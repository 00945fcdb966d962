"""What is guarded: where a platform's data lies, and that nobody shares it by accident."""

from __future__ import annotations

import stat
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from xerotier_site.embedded import envfile, home, secretfile
from xerotier_site.embedded.faults import CannotStart
from xerotier_site.embedded.process import Account

NOBODY = Account(65534, 65534)

Occupy = Callable[..., home.Home]


@pytest.fixture
def occupy() -> Generator[Occupy]:
    """Occupy a folder until the test ends."""
    occupied: list[home.Home] = []

    def take(*args: Any, **options: Any) -> home.Home:
        occupied.append(home.occupy(*args, **options))
        return occupied[-1]

    yield take
    for one in occupied:
        one.lock.close()


def test_home_is_made_and_holds_the_databases(tmp_path: Path, occupy: Occupy) -> None:
    occupied = occupy(tmp_path / "new" / "home", None)

    assert occupied.data == occupied.path == tmp_path / "new" / "home"
    assert not occupied.is_split


def test_closed_folder_keeps_the_databases_elsewhere(tmp_path: Path, occupy: Occupy) -> None:
    tmp_path.chmod(0o700)

    occupied = occupy(tmp_path / "home", NOBODY, elsewhere=tmp_path / "lib")

    assert occupied.is_split
    assert occupied.data.parent == tmp_path / "lib"
    assert occupied.path == tmp_path / "home"


def test_same_closed_folder_finds_its_data_again(tmp_path: Path, occupy: Occupy) -> None:
    tmp_path.chmod(0o700)
    before = occupy(tmp_path / "home", NOBODY, elsewhere=tmp_path / "lib")
    other = occupy(tmp_path / "other", NOBODY, elsewhere=tmp_path / "lib")
    before.lock.close()

    again = occupy(tmp_path / "home", NOBODY, elsewhere=tmp_path / "lib")

    assert again.data == before.data != other.data


def test_full_disk_is_refused_before_anything_is_written(tmp_path: Path, occupy: Occupy) -> None:
    with pytest.raises(CannotStart, match="full"):
        occupy(tmp_path / "home", None, space_bytes=1 << 60)

    assert list((tmp_path / "home").iterdir()) == []


def test_folder_in_use_is_refused_by_the_number_of_its_user(tmp_path: Path, occupy: Occupy) -> None:
    occupy(tmp_path, None)

    with pytest.raises(CannotStart, match=r"process \d+"):
        occupy(tmp_path, None)


def test_secrets_are_made_once_and_kept_private(tmp_path: Path, occupy: Occupy) -> None:
    occupied = occupy(tmp_path, None)

    made = secretfile.load_or_make(occupied)

    assert secretfile.load_or_make(occupied) == made
    assert len(set(made.values())) == len(made)
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


@pytest.mark.parametrize("value", ["plain", "two words", "it's", 'a"b', "$HOME `id` \\", "a=b#c"])
def test_env_file_gives_back_what_was_written(tmp_path: Path, value: str) -> None:
    envfile.write(tmp_path / "file.env", {"A": value, "B": "x"}, about="About it.")

    assert envfile.read(tmp_path / "file.env") == {"A": value, "B": "x"}


def test_env_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "file.env"
    envfile.write(file, {"A": "old"})
    (tmp_path / ".file.env.half").mkdir()

    with pytest.raises(OSError, match="half"):
        envfile.write(file, {"A": "new"})

    assert envfile.read(file) == {"A": "old"}
