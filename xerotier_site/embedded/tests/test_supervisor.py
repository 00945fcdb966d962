"""What is guarded: who dies is started again, who cannot run is left, and all end in order."""

from __future__ import annotations

import itertools
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from xerotier_site.embedded.databases import Server
from xerotier_site.embedded.faults import PartFailed
from xerotier_site.embedded.parts import Part
from xerotier_site.embedded.process import Command, spawn
from xerotier_site.embedded.supervisor import (
    BACKOFF_S,
    NOT_ENROLLED,
    REVOKED,
    UNAVAILABLE,
    Stopped,
    Supervisor,
)

FOREVER = "import time; time.sleep(60)"
TRACE = """
import signal, sys, time
def leave(*_):
    open({trace!r}, "a").write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(60)
"""


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def supervisor(tmp_path: Path, clock: Clock) -> Generator[Supervisor]:
    made = Supervisor(tmp_path, clock)
    yield made
    made.clock = time.monotonic
    made.stop()


def part(
    name: str,
    script: str,
    is_up: Callable[[], bool] | None = None,
    *,
    serves_others: bool = False,
) -> Part:
    return Part(name, Command([sys.executable, "-c", script]), is_up, serves_others)


def child_of(supervisor: Supervisor, name: str) -> int:
    return supervisor._running[name].child.pid


def until_gone(supervisor: Supervisor, name: str) -> None:
    supervisor._running[name].child.wait(10)


def test_part_that_dies_comes_back_after_a_pause(supervisor: Supervisor, clock: Clock) -> None:
    supervisor.start(part("worker", "raise SystemExit(3)"))
    until_gone(supervisor, "worker")
    dead = child_of(supervisor, "worker")

    supervisor.tick()
    clock.now += BACKOFF_S[0] - 0.1
    supervisor.tick()
    assert child_of(supervisor, "worker") == dead

    clock.now += 0.2
    supervisor.tick()
    assert child_of(supervisor, "worker") != dead


def test_pauses_grow_while_a_part_keeps_dying(
    supervisor: Supervisor, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.start(part("worker", "raise SystemExit(3)"))

    for pause_s in itertools.chain(BACKOFF_S, BACKOFF_S[-1:]):
        until_gone(supervisor, "worker")
        supervisor.tick()
        assert f"worker ended (exit 3); again in {pause_s} s" in capsys.readouterr().out
        clock.now += pause_s
        supervisor.tick()


def test_part_that_lived_long_is_back_soon(
    supervisor: Supervisor, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.start(part("worker", "raise SystemExit(3)"))
    for lifetime_s in (1, 1, 3600):
        capsys.readouterr()
        until_gone(supervisor, "worker")
        clock.now += lifetime_s
        supervisor.tick()
        clock.now += 60
        supervisor.tick()

    assert f"again in {BACKOFF_S[0]} s" in capsys.readouterr().out


@pytest.mark.parametrize("code", [UNAVAILABLE, REVOKED, NOT_ENROLLED])
def test_part_that_cannot_run_here_is_left_alone(
    supervisor: Supervisor, clock: Clock, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    supervisor.start(part("chat-model", f"print('no AVX2'); raise SystemExit({code})"))
    until_gone(supervisor, "chat-model")
    dead = child_of(supervisor, "chat-model")

    supervisor.tick()
    clock.now += 3600
    supervisor.tick()

    assert child_of(supervisor, "chat-model") == dead
    assert capsys.readouterr().out.count("chat-model is not available") == 1


def test_database_that_dies_stops_the_platform(supervisor: Supervisor) -> None:
    child = spawn(Command([sys.executable, "-c", "raise SystemExit(2)"]))
    supervisor.keep_database(Server("PostgreSQL", child, "", signal.SIGINT))
    child.wait(10)

    with pytest.raises(PartFailed, match=r"^PostgreSQL ended by itself \(exit 2\)"):
        supervisor.tick()


def test_waiting_ends_when_the_part_is_up(supervisor: Supervisor) -> None:
    answers = iter([False, False, True])
    supervisor.start(part("server", FOREVER, lambda: next(answers)))

    assert supervisor.wait_for(["server"]) == []


def test_waiting_ends_when_the_part_has_fallen(supervisor: Supervisor) -> None:
    supervisor.start(part("server", "print('no such setting'); raise SystemExit(1)", lambda: False))

    assert supervisor.wait_for(["server"]) == ["server"]
    assert supervisor.last_words("server") == "no such setting"


def test_who_takes_requests_leaves_first_and_who_keeps_data_last(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    trace = tmp_path / "trace"
    for name in ("chat-model", "server"):
        script = TRACE.format(trace=str(trace), name=name)
        supervisor.start(part(name, script, serves_others=name == "chat-model"))
    script = TRACE.format(trace=str(trace), name="valkey")
    database = spawn(Command([sys.executable, "-c", script]))
    supervisor.keep_database(Server("Valkey", database, "", signal.SIGTERM))
    for book in ("chat-model", "server", "valkey"):
        wait_for_line(tmp_path / f"{book}.log")

    supervisor.clock = time.monotonic
    supervisor.stop()

    assert trace.read_text().split() == ["server", "chat-model", "valkey"]


def test_passing_child_ends_with_the_wish_to_stop(supervisor: Supervisor) -> None:
    child = spawn(Command([sys.executable, "-c", FOREVER]), output=None)
    supervisor._note_signal()

    with pytest.raises(Stopped):
        supervisor.see_through(child)

    assert child.returncode == -signal.SIGKILL


def test_signal_becomes_a_wish_to_stop(supervisor: Supervisor) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hangup = signal.getsignal(signal.SIGHUP)
    try:
        supervisor.heed_signals()
        signal.raise_signal(signal.SIGTERM)

        with pytest.raises(Stopped):
            supervisor.tick()
    finally:
        for number, handler in {**before, signal.SIGHUP: hangup}.items():
            signal.signal(number, handler)


def wait_for_line(log: Path) -> None:
    deadline = time.monotonic() + 10
    while not (log.exists() and log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
