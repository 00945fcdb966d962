"""The pytest plugin behind ``make mutants``: runs the tests once, then once for each mutant.

The interpreter is warm by then, so a mutant costs a fork and those tests that enter its function.
A test that fails, or a mutant that hangs, is what is wanted: the fault was noticed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from django.conf import settings
from django.db import connections
from hypothesis import settings as hypothesis_settings

from tests.mutants.sites import Mutant, lua_mutants, python_mutants
from tests.mutants.swap import swap_lua, swap_python

ROOT = Path(__file__).parents[2]
SURVIVED, KILLED = 0, 1
WAIT_S = 60.0
HANGS_S = 2.0
MEMORY_MAX = 4 << 30
"""Of address space: a loop that a mutant made endless may also be one that keeps things."""
TIMES = 6.0
"""A mutant hangs when it takes so many times as long as its tests took, and some seconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate", help="the file to put faults into")
    parser.addoption("--most", type=int, default=0, help="how many mutants at most (0: all)")
    parser.addoption("--mutants-out", help="where the outcome is written")


def pytest_configure() -> None:
    # What a mutant makes fail is nothing to be remembered for the next run.
    hypothesis_settings.register_profile("mutants", database=None)
    hypothesis_settings.load_profile("mutants")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run everything once to learn who enters what, then everything that matters, mutated."""
    target = ROOT / session.config.getoption("--mutate")
    watch = _Watch(session.items, target)
    watch.run()
    mutants = _sample(target, session.config.getoption("--most"))
    outcome = [_try(mutant, target, watch) for mutant in mutants]
    Path(session.config.getoption("--mutants-out")).write_text(json.dumps(outcome))
    return True


class _Watch:
    """Which tests enter which functions of a file, and how long each takes."""

    def __init__(self, items: list[pytest.Item], target: Path) -> None:
        self.items = items
        self.seconds: dict[str, float] = {}
        self._target = str(target)
        self._entered: dict[str, set[str]] = defaultdict(set)

    def run(self) -> None:
        """Run all tests. Exits if one fails: nothing would be learned from mutants then."""
        for item in self.items:
            began = time.monotonic()
            with self._noted(item.nodeid):
                said = faults(item)
            self.seconds[item.nodeid] = time.monotonic() - began
            if said:
                pytest.exit(f"{item.nodeid} fails without any mutant. {said}", returncode=2)

    def of(self, name: str) -> list[pytest.Item]:
        """Return the tests that enter a function, the quickest first. A Lua one is everybody's."""
        is_lua = self._target.endswith(".lua")
        found = [one for one in self.items if is_lua or one.nodeid in self._entered[name]]
        return sorted(found, key=lambda item: self.seconds[item.nodeid])

    @contextlib.contextmanager
    def _noted(self, nodeid: str) -> Iterator[None]:
        def note(frame: FrameType, event: str, _argument: Any) -> None:
            if event == "call" and frame.f_code.co_filename == self._target:
                name = frame.f_code.co_qualname.partition(".<locals>")[0]
                self._entered[name].add(nodeid)

        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)


class _Between(pytest.Item):
    """Stands behind every test: what the session has set up stays, and nothing else does."""

    def runtest(self) -> None:
        """Never."""


def faults(item: pytest.Item) -> str:
    """Run one test; return what is wrong with it."""
    between = _Between.from_parent(item.session, name="between")
    reports = runtestprotocol(item, log=False, nextitem=between)
    return "\n".join(report.longreprtext for report in reports if report.failed)


def _sample(target: Path, most: int) -> list[Mutant]:
    text = target.read_text(encoding="utf-8")
    mutants = list((lua_mutants if target.suffix == ".lua" else python_mutants)(text))
    if not most or len(mutants) <= most:
        return mutants
    chosen = random.Random(1).sample(range(len(mutants)), most)
    return [mutants[number] for number in sorted(chosen)]


def _try(mutant: Mutant, target: Path, watch: _Watch) -> dict[str, Any]:
    items = watch.of(mutant.place.partition(":")[0])
    usual_s = sum(watch.seconds[item.nodeid] for item in items)
    connections.close_all()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _be(mutant, target, items)
    code = _wait(child, HANGS_S + TIMES * usual_s)
    return {"place": mutant.place, "line": mutant.line, "tests": len(items), "survived": not code}


def _be(mutant: Mutant, target: Path, items: list[pytest.Item]) -> None:
    code = KILLED
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        if target.suffix == ".lua":
            swap_lua(target, mutant.text, settings.PLANE_VALKEY)
        else:
            name = ".".join(target.relative_to(ROOT).with_suffix("").parts)
            swap_python(importlib.import_module(name), mutant.text)
        code = KILLED if any(faults(item) for item in items) else SURVIVED
    finally:
        os._exit(code)


def _wait(child: int, most_s: float) -> int:
    end = time.monotonic() + min(most_s, WAIT_S)
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return KILLED
