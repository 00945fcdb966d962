"""Options of the command line, each of which may stand in the environment instead.

``--join-key`` is ``XEROTIER_AGENT_JOIN_KEY``, and so on; what stands on the line wins, and what
is empty there was not said.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xim import __version__
from xim.engines.kinds import KINDS
from xim.engines.seen import TASKS
from xim.facts import KINDS as ACCELERATORS
from xim.faults import EXIT_CODES
from xim.sim.batch import SPEEDS
from xim.sim.faults import MEANINGS
from xim.sim.quirks import QUIRKS
from xim.state import USUAL_FOLDER

PREFIX = "XEROTIER_AGENT_"


def variable(flag: str) -> str:
    """Return where an option is looked for in the environment."""
    return PREFIX + flag.removeprefix("--").upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Options:
    """One command's options, with the environment as their defaults."""

    parser: argparse.ArgumentParser
    said: Mapping[str, str]

    def value(self, flag: str, help_: str, default: str = "", **words: Any) -> None:
        """Add an option with a value."""
        tail = f" (default: {default})" if default else ""
        given = self.said.get(variable(flag)) or default
        text = f"{help_}{tail} [{variable(flag)}]"
        self.parser.add_argument(flag, default=given, help=text, **words)

    def switch(self, flag: str, help_: str) -> None:
        """Add an option without a value."""
        is_on = self.said.get(variable(flag), "").lower() in {"1", "true", "yes", "on"}
        text = f"{help_} [{variable(flag)}]"
        self.parser.add_argument(flag, action="store_true", default=is_on, help=text)


def parser(said: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the whole command line."""
    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    whole = argparse.ArgumentParser(
        prog="xim",
        description="Serve models of this machine to a Xerotier platform.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"xim {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (help_, fill) in COMMANDS.items():
        made = commands.add_parser(name, help=help_, description=help_, allow_abbrev=False)
        fill(Options(made, said))
    return whole


def _state(options: Options) -> None:
    options.value("--state", "folder of the machine's key and enrolment", USUAL_FOLDER)


def _enroll(options: Options) -> None:
    _state(options)
    options.value("--url", "the platform's address, as https://xerotier.example.com")
    options.value("--join-key", "a join key; - reads it from standard input")
    options.value("--join-key-file", "a file with the join key, for machines with other users")
    options.value("--name", "what the machine is called (default: the platform chooses)")
    options.value("--ca-sha256", "trust this certificate of the platform's, and no other")


def _run(options: Options) -> None:
    _state(options)
    options.value(
        "--engine",
        f"what runs the models: {', '.join(KINDS)}; several with commas between, each with its "
        "address behind = where it has one of its own",
        "openai",
    )
    options.value("--engine-url", "its base URL (default: where this kind listens by itself)")
    options.value("--engine-key-file", "a file with the key that the engine wants")
    options.value("--task", f"{', '.join(TASKS)} (default: told by the models' names)")
    options.value(
        "--accelerator",
        "what its engine runs on (default: what is seen here)",
        choices=["", *ACCELERATORS],
    )
    options.value("--slots", "requests at once (0: as usual for its kind)", "0")
    options.switch("--allow-remote-models", "serve Ollama's cloud models, too: others see prompts")
    options.value("--gguf", "start llama.cpp with this file (with --engine llamacpp)")
    options.value("--model-name", "what that model is called (default: the file's name)")
    options.value("--context", "tokens that fit into one request of it", "4096", type=int)
    options.value("--metrics-port", "serve /metrics on this port (default: not at all)")
    options.value("--metrics-host", "to whom", "127.0.0.1")
    options.value("--grace", "seconds for what runs when told to stop", "30", type=float)
    _simulated(options, "--sim-")


def _simulated(options: Options, prefix: str) -> None:
    known = ", ".join(f"{fault.value} ({meaning})" for fault, meaning in MEANINGS.items())
    options.value(f"{prefix}models", "names of simulated models, with commas between", "sim")
    options.value(f"{prefix}seed", "where its chance begins", "0", type=int)
    options.value(f"{prefix}speed", "the machine", "fast", choices=[*SPEEDS])
    options.value(f"{prefix}scale", "0.1 is ten times as fast", "1", type=float)
    options.value(f"{prefix}context", "tokens that fit into one request", "32768", type=int)
    options.value(f"{prefix}quirks", "speak as this engine does", "sim", choices=[*QUIRKS])
    options.value(f"{prefix}faults", f"faults with commas between, as hang:0.1; {known}")


def _status(options: Options) -> None:
    _state(options)
    options.switch("--json", "as JSON")


def _drain(options: Options) -> None:
    _state(options)


def _leave(options: Options) -> None:
    _state(options)
    options.switch("--force", "forget the enrolment though the platform can't be told")


def _sim(options: Options) -> None:
    options.value("--port", "where to listen; 0 takes a free one and says which", "0", type=int)
    options.value("--host", "to whom", "127.0.0.1")
    _simulated(options, "--")


COMMANDS = {
    "enroll": ("join a platform with a join key", _enroll),
    "run": ("serve until stopped", _run),
    "status": ("say how this machine is doing", _status),
    "drain": ("take nothing new, finish what runs, then stop", _drain),
    "leave": ("retire this machine and forget its key", _leave),
    "sim": ("run the simulated engine alone", _sim),
}
