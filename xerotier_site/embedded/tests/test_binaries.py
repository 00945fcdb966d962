"""What is guarded: servers run as another user even from a folder that is closed to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xerotier_site.embedded import binaries
from xerotier_site.embedded.process import Account

STRANGER = Account(54321, 54321)


def test_path_is_open_only_if_every_folder_above_is(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o755)
    tmp_path.chmod(0o700)

    assert not binaries.is_open_to(inner, STRANGER)
    assert binaries.is_open_to(inner, None)
    assert binaries.is_open_to(Path("/"), STRANGER)


@pytest.mark.parametrize("ours", ["mine", "my group's", "everyone's"])
def test_the_bit_that_counts_is_that_of_the_account(tmp_path: Path, ours: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    uid, gid = folder.stat().st_uid, folder.stat().st_gid
    account, bit = {
        "mine": (Account(uid, 54321), 0o100),
        "my group's": (Account(54321, gid), 0o010),
        "everyone's": (STRANGER, 0o001),
    }[ours]

    folder.chmod(bit)
    assert binaries._is_passable(folder, account)
    folder.chmod(0o111 & ~bit)
    assert not binaries._is_passable(folder, account)
    folder.chmod(0o755)


@pytest.mark.slow  # copies 41 MB
def test_copied_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "is_open_to", lambda *_: False)

    programs = [
        binaries.reachable_postgres(STRANGER, tmp_path / "shelf") / "postgres",
        binaries.reachable_valkey(STRANGER, tmp_path / "shelf"),
    ]

    for program in programs:
        assert program.is_relative_to(tmp_path)
        said = subprocess.run([program, "--version"], capture_output=True, check=True, text=True)  # noqa: S603
        assert "18." in said.stdout or "v=9." in said.stdout
