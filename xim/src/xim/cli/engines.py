"""``--engine`` and what goes with it: one engine, or several with commas between.

Each is a kind, and an address behind ``=`` where it does not listen as its kind does by itself.
What else is said of engines is said once for all, or for each in their order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xim.agent.options import EngineOptions
from xim.engines import launch
from xim.engines.kinds import KINDS
from xim.engines.launch import Gguf
from xim.engines.seen import TASKS
from xim.faults import Stop
from xim.web.call import Address


def read(said: argparse.Namespace) -> tuple[EngineOptions, ...]:
    """Return the engines that were named; raises ``Stop`` for what does not go together."""
    named = _named(said)
    count = len(named)
    keys = [_key(path) for path in _each(said.engine_key_file, count, "--engine-key-file")]
    tasks = [_task(task) for task in _each(said.task, count, "--task")]
    slots = [_slots(text) for text in _each(said.slots, count, "--slots")]
    started = _started(said, named)
    return tuple(
        EngineOptions(
            kind=kind,
            url=url,
            key=keys[at],
            task=tasks[at],
            slots=slots[at],
            allow_remote_models=said.allow_remote_models,
            gguf=_gguf(said, slots[at]) if at == started else None,
        )
        for at, (kind, url) in enumerate(named)
    )


def _named(said: argparse.Namespace) -> list[tuple[str, str]]:
    words = [word.strip().partition("=") for word in said.engine.split(",")]
    named = [(kind, url) for kind, _, url in words]
    if said.engine_url:
        if len(named) > 1 or named[0][1]:
            raise Stop(
                "--engine-url is the address of the only engine; several are named with theirs, "
                "as --engine vllm=http://127.0.0.1:8000/v1,vllm=http://127.0.0.1:8001/v1."
            )
        named = [(named[0][0], said.engine_url)]
    for kind, url in named:
        _check(kind, url, said)
    return named


def _check(kind: str, url: str, said: argparse.Namespace) -> None:
    if kind not in KINDS:
        raise Stop(f"--engine: there is no kind “{kind}”; there are {', '.join(KINDS)}.")
    if kind == "openai" and not url:
        raise Stop(
            "--engine openai needs --engine-url, as http://127.0.0.1:8000/v1; "
            f"other kinds are {', '.join(kind for kind in KINDS if kind != 'openai')}."
        )
    try:
        if url:
            Address.of(url)
    except ValueError as fault:
        option = "--engine-url" if said.engine_url else "--engine"
        raise Stop(f"{option}: {fault}.") from fault


def _each(text: str, count: int, flag: str) -> list[str]:
    """Return what was said of each engine: the same of all, or as many values as there are."""
    values = [word.strip() for word in text.split(",")]
    if len(values) == 1:
        return values * count
    if len(values) != count:
        raise Stop(f"{flag} has {len(values)} values for {count} engines: give one, or one each.")
    return values


def _key(path: str) -> str:
    if not path:
        return ""
    try:
        key = Path(path).expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise Stop(f"--engine-key-file {path} can't be read: {fault}.") from fault
    if not (key and key.isascii() and key.isprintable()):
        raise Stop(f"--engine-key-file {path} is no key: one line of plain characters is.")
    return key


def _task(task: str) -> str:
    if task and task not in TASKS:
        raise Stop(f"--task: there is no “{task}”; there are {', '.join(TASKS)}.")
    return task


def _slots(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Stop(f"--slots takes a number that can't be negative, not “{text}”.")
    return int(text)


def _started(said: argparse.Namespace, named: list[tuple[str, str]]) -> int | None:
    """Return which engine is to be started with ``--gguf``: the one llama.cpp without address."""
    if not said.gguf:
        return None
    found = [at for at, one in enumerate(named) if one == ("llamacpp", "")]
    if len(found) != 1:
        raise Stop("--gguf starts llama.cpp: it goes with --engine llamacpp, without an address.")
    return found[0]


def _gguf(said: argparse.Namespace, slots: int) -> Gguf:
    if said.context < 1:
        raise Stop("--context takes a number of tokens.")
    file = Path(said.gguf).expanduser()
    slots = slots or KINDS["llamacpp"].slots
    gguf = Gguf(file, said.model_name or file.stem.lower(), said.context * slots, slots)
    launch.check(gguf)
    return gguf
