"""What is guarded: no child outlives the process that started it, however that one ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from xerotier_site.embedded.faults import PartFailed
from xerotier_site.embedded.process import Command, run, spawn, stop

PARENT = """
import signal, sys, time
from xerotier_site.embedded.process import Command, spawn
child = spawn(Command([sys.executable, "-c", "import time; time.sleep(60)"]))
print(child.pid, flush=True)
signal.pause()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def eventually(happens: Callable[[], bool], within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if happens():
            return True
        time.sleep(0.02)
    return happens()


# The kernel does it there (PR_SET_PDEATHSIG); the platform runs on Linux, developers elsewhere.
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux ends children with a parent.")
def test_child_ends_when_its_parent_is_killed() -> None:
    argv = [sys.executable, "-c", PARENT]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE)  # noqa: S603
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()

    parent.kill()
    parent.communicate()

    assert eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_child_that_ignores_the_request_to_stop_is_killed() -> None:
    child = spawn(Command([sys.executable, "-c", STUBBORN]))
    assert child.stdout is not None
    assert child.stdout.readline() == b"deaf\n"

    stop(child, signal.SIGTERM, patience_s=0.1)

    assert child.returncode == -signal.SIGKILL
    child.stdout.close()


def test_failed_command_is_told_by_its_last_words() -> None:
    script = "print('first'); print('the disk is full'); raise SystemExit(3)"

    with pytest.raises(PartFailed, match=r"^Making it failed: the disk is full$"):
        run(Command([sys.executable, "-c", script]), what="Making it")
