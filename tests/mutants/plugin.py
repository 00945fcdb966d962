"""The pytest plugin behind ``make mutants``: runs the tests once, then once for each mutant.

The interpreter is warm by then, so a mutant costs a fork and those tests of its file that enter
its function. A test that fails, or a mutant that hangs, is what is wanted: the fault was noticed.
Last of all each file is tried without any fault: what was killed was killed by its fault, and not
by what other mutants left behind. So the next file, too, finds everything as it was.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.db import connection, connections
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import blocking_manager_key

from tests.database_cleanup import delete_all
from tests.mutants.sites import Mutant, mutants_of
from tests.mutants.swap import swap_lua, swap_python
from tests.mutants.targets import ROOT, TARGETS, excused

SURVIVED, UNBORN, KILLED = 0, 1, 2
"""How a mutant's process ends; what is killed by the test numbered n ends with ``KILLED + n``."""
EXIT_MAX = 255
HANGS_CPU_S = 1.0
HANGS_S = 30.0
"""A mutant hangs when a test of it computes for so long, or all of them wait for so long."""
TIMES = 3.0
"""And besides, so many times as long as without it."""
MEMORY_MORE = 4 << 30
"""Of address space, beside what was there: an endless loop may also be one that keeps things."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate", action="append", help="a file to put faults into")
    parser.addoption("--mutants-out", help="where the outcome is written, a line for each")
    parser.addoption("--mutants-excused", action="store_true", help="try what may survive, too")


def pytest_configure() -> None:
    # The same examples each time, for a mutant lives or dies by them; and how small the example
    # is that shows the fault is nobody's question: searching that takes minutes.
    phases = (Phase.explicit, Phase.generate)
    hypothesis_settings.register_profile(
        "mutants", database=None, derandomize=True, phases=phases, report_multiple_bugs=False
    )
    hypothesis_settings.load_profile("mutants")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run everything once to learn who enters what, then everything that matters, mutated."""
    targets: list[str] = session.config.getoption("--mutate")
    out_path = Path(session.config.getoption("--mutants-out"))
    watch = _Watch(session.items, targets, out_path.with_suffix(".fault"))
    watch.run()
    known = set() if session.config.getoption("--mutants-excused") else set(excused())
    with out_path.open("w") as out:
        for target in targets:
            for mutant in mutants_of(ROOT / target):
                survived = f"{target}:{mutant.place}" in known or _try(mutant, target, watch)
                outcome = {"target": target, "place": mutant.place, "survived": survived}
                print(json.dumps(outcome), file=out, flush=True)
            _try_unchanged(target, watch)
    return True


class _Watch:
    """Which tests enter which functions of the files, and how long each takes.

    ``last_fault``: where the process of a mutant writes what killed it.
    """

    def __init__(self, items: list[pytest.Item], targets: list[str], last_fault: Path) -> None:
        self.items = items
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self.kills: Counter[str] = Counter()
        self.last_fault = last_fault
        self._files = {str(ROOT / target): target for target in targets}
        self._entered: dict[tuple[str, str], set[str]] = defaultdict(set)

    def run(self) -> None:
        """Run all tests. Exits if one fails: nothing would be learned from mutants then."""
        for item in self.items:
            began, cpu_began = time.monotonic(), time.process_time()
            with self._noted(item.nodeid):
                said = faults(item)
            self.seconds[item.nodeid] = time.monotonic() - began
            self.cpu_seconds[item.nodeid] = time.process_time() - cpu_began
            if said:
                pytest.exit(f"{item.nodeid} fails without any mutant. {said}", returncode=2)

    def all_of(self, target: str) -> list[pytest.Item]:
        """Return a file's own tests; of a file that is no target, all."""
        own = TARGETS.get(target, ("",))
        return [item for item in self.items if item.nodeid.startswith(own)]

    def of(self, target: str, name: str) -> list[pytest.Item]:
        """Return those of them that enter a function, the quickest killers first.

        A Lua one is everybody's.
        """
        is_lua, entering = target.endswith(".lua"), self._entered[target, name]
        found = [one for one in self.all_of(target) if is_lua or one.nodeid in entering]
        return sorted(
            found, key=lambda one: self.seconds[one.nodeid] / (1 + self.kills[one.nodeid])
        )

    @contextlib.contextmanager
    def _noted(self, nodeid: str) -> Iterator[None]:
        def note(frame: FrameType, _event: str, _argument: Any) -> None:
            target = self._files.get(frame.f_code.co_filename)
            if target:
                name = frame.f_code.co_qualname.partition(".<locals>")[0]
                self._entered[target, name].add(nodeid)

        sys.settrace(note)  # Of calls alone: it returns nothing that would trace their lines.
        try:
            yield
        finally:
            sys.settrace(None)


class _Between(pytest.Item):
    """Stands behind every test: what the session has set up stays, and nothing else does."""

    def runtest(self) -> None:
        """Never."""


def faults(item: pytest.Item) -> str:
    """Run one test; return what is wrong with it."""
    between = _Between.from_parent(item.session, name="between")
    reports = runtestprotocol(item, log=False, nextitem=between)
    return "\n".join(report.longreprtext for report in reports if report.failed)


def _try(mutant: Mutant, target: str, watch: _Watch) -> bool:
    """Say whether a mutant survives."""
    items = watch.of(target, mutant.place.partition(":")[0])
    code = _fork(lambda: _swap(target, mutant.write()), items, watch)
    if code == UNBORN:
        pytest.exit(f"{target}:{mutant.place} can't be made", returncode=2)
    if code >= KILLED:
        watch.kills[items[code - KILLED].nodeid] += 1
    return code == SURVIVED


def _try_unchanged(target: str, watch: _Watch) -> None:
    text = (ROOT / target).read_text(encoding="utf-8")
    items = watch.all_of(target)
    code = _fork(lambda: _swap(target, text), items, watch)
    if code != SURVIVED:
        killer = watch.last_fault.read_text()
        pytest.exit(f"{target} is killed without a fault: believe no outcome. By {killer}", 2)


def _fork(swap: Callable[[], None], items: list[pytest.Item], watch: _Watch) -> int:
    _disconnect()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _be(swap, items, watch)
    code = _wait(child, HANGS_S + TIMES * sum(watch.seconds[item.nodeid] for item in items))
    if code < 0:
        _clean_up(items)
    return code


def _disconnect() -> None:
    """Close every connection to the database: a child inherits none, and makes its own.

    Django gives closed ones back to a pool. One that a child had from there, and was killed on,
    would be the next child's, in the middle of a sentence.
    """
    connections.close_all()
    for one in connections.all(initialized_only=True):
        close_pool = getattr(one, "close_pool", None)
        if close_pool is not None:
            close_pool()


def _clean_up(items: list[pytest.Item]) -> None:
    """Delete what tests committed in a process that was killed before they could do so."""
    if str(connection.settings_dict["NAME"]).startswith("test_"):  # Else no test had one.
        with items[0].config.stash[blocking_manager_key].unblock():
            delete_all()


def _be(swap: Callable[[], None], items: list[pytest.Item], watch: _Watch) -> None:
    code = UNBORN
    try:
        most = _address_space() + MEMORY_MORE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        # Its thread is the parent's; here nobody would ever do what it is given.
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
        swap()
        code = KILLED
        killers = (number for number, item in enumerate(items) if _notices(item, watch))
        killer = next(killers, None)
        code = SURVIVED if killer is None else min(KILLED + killer, EXIT_MAX)
    finally:
        os._exit(code)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().partition(" ")[0])
    return pages * resource.getpagesize()


def _notices(item: pytest.Item, watch: _Watch) -> bool:
    # Of our own processor time, so that a busy machine kills no mutant. Its signal ends us.
    bound_s = HANGS_CPU_S + TIMES * watch.cpu_seconds[item.nodeid]
    signal.setitimer(signal.ITIMER_PROF, bound_s)
    watch.last_fault.write_text(f"{item.nodeid}: it hangs")
    said = faults(item)
    if said:
        watch.last_fault.write_text(f"{item.nodeid}:\n{said}")
    return bool(said)


def _swap(target: str, text: str) -> None:
    path = ROOT / target
    if path.suffix == ".lua":
        swap_lua(path, text, settings.PLANE_VALKEY)
    else:
        name = ".".join(Path(target).with_suffix("").parts)
        swap_python(importlib.import_module(name), text)


def _wait(child: int, most_s: float) -> int:
    end = time.monotonic() + most_s
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL
