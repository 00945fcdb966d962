"""What is guarded: the folder of a machine is its owner's, and named where it is not the usual."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripted_platform import JOIN_KEY, platform
from test_enrolment import enroll
from xim.cli.main import main
from xim.faults import NO_FOLDER
from xim.state import State

NOBODY = 65534


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("~/.config/xerotier", "xim run"),
        ("/var/lib/xim", "xim run --state /var/lib/xim"),
        ("/srv/two words", "xim run --state '/srv/two words'"),
    ],
)
def test_command_that_starts_a_machine_names_its_folder_unless_it_is_the_usual_one(
    folder: str, command: str
) -> None:
    assert State(Path(folder).expanduser()).run_command == command


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can be somebody else for a moment.")
@pytest.mark.parametrize("command", ["enroll", "run", "leave"])
def test_folder_of_another_user_is_one_sentence_and_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with platform() as there, tempfile.TemporaryDirectory() as place:
        home = Path(place) / "state"
        Path(place).chmod(0o711)  # Others may walk down to it, as under /home.
        enroll(there, home)
        kept, asked = {file.name: file.read_bytes() for file in home.iterdir()}, len(there.asked)
        said = {"XEROTIER_AGENT_URL": there.url, "XEROTIER_AGENT_JOIN_KEY": JOIN_KEY}
        capsys.readouterr()
        with as_nobody():
            code = main([command, "--state", str(home)], said | {"XEROTIER_AGENT_ENGINE": "sim"})

        assert code == NO_FOLDER
        sentence = "can't be used (Operation not permitted): name another by --state."
        assert capsys.readouterr().err == f"xim: The state folder {home} {sentence}\n"
        assert {file.name: file.read_bytes() for file in home.iterdir()} == kept
        assert len(there.asked) == asked
