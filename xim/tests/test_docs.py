"""What is guarded: the page for readers names every option, code and engine, and no other."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from xim.cli.options import COMMANDS, Options, parser
from xim.engines.kinds import KINDS
from xim.faults import EXIT_CODES
from xim.sim.faults import Fault
from xim.sim.quirks import QUIRKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "xim" / "deploy"


def flags() -> set[str]:
    found: set[str] = set()
    for _, fill in COMMANDS.values():
        made = argparse.ArgumentParser(add_help=False)
        fill(Options(made, {}))
        found |= {flag for action in made._actions for flag in action.option_strings}
    return found


def test_page_names_every_option_and_none_that_is_not() -> None:
    tables = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `--"))
    engines = {"--max-num-seqs", "--parallel", "--enable-metrics", "--metrics", "--slots"}

    named = set(re.findall(r"`(--[a-z0-9-]+)`", tables))
    assert named == flags()
    assert set(re.findall(r"`(--[a-z0-9-]+)", PAGE)) - engines - {"--sim-"} <= flags()


def test_page_names_every_exit_code_but_success() -> None:
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}

    assert named == set(EXIT_CODES) - {0}


def test_page_names_every_engine_with_its_slots() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]+\| (\d+) \|", PAGE, re.MULTILINE))

    assert rows == {kind: str(adapter.slots) for kind, adapter in KINDS.items()}
    assert all(adapter.default_url in PAGE for adapter in KINDS.values())


def test_page_names_every_fault_and_quirk_of_the_simulator() -> None:
    assert all(f"`{fault.value}`" in PAGE for fault in Fault)
    assert all(f"`{name}`" in PAGE for name in QUIRKS)


def test_every_command_the_page_shows_is_understood() -> None:
    shown = re.findall(r"^\$ xim ([^\n#]+)$", PAGE, re.MULTILINE)

    assert len(shown) >= 4
    for line in shown:
        parser({}).parse_args(line.split())


def test_service_is_not_started_again_when_that_can_not_help() -> None:
    unit = (DEPLOY / "xim.service").read_text(encoding="utf-8")

    prevented = re.findall(r"^RestartPreventExitStatus=(.+)$", unit, re.MULTILINE)[0]
    assert set(map(int, prevented.split())) <= set(EXIT_CODES)
    assert "77" in prevented
    assert re.search(r"^ExecStart=\S+/xim run$", unit, re.MULTILINE)
