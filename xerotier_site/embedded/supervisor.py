"""Keeps children running: starts them, starts them again when they die, stops them in order.

Look at it as a loop that a signal ends. Everything happens on the main thread, because a
child's life is tied to the thread that spawned it (see ``process``).
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xerotier_site.embedded import logbook
from xerotier_site.embedded.databases import Server
from xerotier_site.embedded.faults import PartFailed
from xerotier_site.embedded.logbook import Logbook
from xerotier_site.embedded.parts import Part
from xerotier_site.embedded.process import kill_group, spawn

UNAVAILABLE, REVOKED, NOT_ENROLLED = 69, 77, 78
"""A part ends with one of these when starting it again does not help: it can't run on this
machine, or its machine was revoked, or never let in."""
TICK_S = 0.1
BACKOFF_S = (1, 2, 4, 8, 15, 30)
STEADY_S = 60
"""A part that lived this long begins again at the shortest pause."""

STREAMS_S, PROGRAMS_S, DATABASES_S = 8.3, 0.5, 0.6
"""How long each wave may take to stop: together they stay under 10 s."""


class Stopped(Exception):
    """Someone asked us to stop."""


@dataclass(slots=True)
class Running:
    """A part and its present life."""

    part: Part
    book: Logbook
    child: subprocess.Popen[bytes]
    born_at: float
    falls: int = 0
    again_at: float | None = None
    is_given_up: bool = False


@dataclass(slots=True)
class Supervisor:
    """The children of one platform, in the order they were started."""

    logs: Path
    clock: Callable[[], float] = time.monotonic
    _databases: list[Server] = field(default_factory=list)
    _running: dict[str, Running] = field(default_factory=dict)
    _signals: int = 0

    def heed_signals(self) -> None:
        """Turn the usual requests to stop into a flag; a second one makes us hurry."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)

    def _note_signal(self, *_args: object) -> None:
        self._signals += 1

    def check_wish(self) -> None:
        """Raise ``Stopped`` if someone asked us to stop."""
        if self._signals:
            raise Stopped

    def keep_database(self, server: Server) -> None:
        """Watch over a database that is running."""
        self._databases.append(server)
        if server.child.stdout is not None:
            Logbook(self.logs, server.name.lower()).follow(server.child.stdout)

    def start(self, part: Part, *, shows: logbook.Shown = logbook.nothing) -> None:
        """Start a part and keep it running."""
        book = Logbook(self.logs, part.name, shows=shows)
        self._running[part.name] = Running(part, book, self._spawn(part, book), self.clock())

    def _spawn(self, part: Part, book: Logbook) -> subprocess.Popen[bytes]:
        child = spawn(part.command)
        if child.stdout is not None:
            book.follow(child.stdout)
        return child

    def wait_for(self, names: Sequence[str], *, patience_s: float = 60) -> list[str]:
        """Wait until the named parts are up; return those that fell or took too long."""
        deadline = self.clock() + patience_s
        waiting = [self._running[name] for name in names if name in self._running]
        while waiting and self.clock() < deadline:
            self.tick()
            waiting = [one for one in waiting if not _is_up(one)]
            if all(one.falls or one.is_given_up for one in waiting):
                break
            time.sleep(TICK_S)
        return [one.part.name for one in waiting]

    def see_through(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for a passing child and return its exit code; it ends with us if we must stop."""
        while child.poll() is None:
            try:
                self.tick()
            except (Stopped, PartFailed):
                kill_group(child)
                child.wait()
                raise
            time.sleep(TICK_S / 2)
        return child.returncode

    def last_words(self, name: str) -> str:
        """Return the last line a part said."""
        return self._running[name].book.last_line

    def watch(self) -> None:
        """Keep everything running until someone asks us to stop."""
        while True:
            self.tick()
            time.sleep(TICK_S)

    def tick(self) -> None:
        """Look once at the signals and at every child."""
        self.check_wish()
        for server in self._databases:
            if server.child.poll() is not None:
                raise PartFailed(
                    f"{server.name} ended by itself (exit {server.child.returncode}), so the "
                    f"platform stops. See {self.logs / server.name.lower()}.log."
                )
        for one in self._running.values():
            self._mind(one)

    def _mind(self, one: Running) -> None:
        if one.again_at is not None:
            if self.clock() >= one.again_at:
                one.again_at = None
                one.child, one.born_at = self._spawn(one.part, one.book), self.clock()
        elif one.child.poll() is not None and not one.is_given_up:
            self._plan(one)

    def _plan(self, one: Running) -> None:
        kill_group(one.child)  # Whatever it had started itself.
        if one.child.returncode in (UNAVAILABLE, REVOKED, NOT_ENROLLED):
            one.is_given_up = True
            logbook.say(f"{one.part.name} is not available: {one.book.last_line}")
            return
        if self.clock() - one.born_at > STEADY_S:
            one.falls = 0
        pause_s = BACKOFF_S[min(one.falls, len(BACKOFF_S) - 1)]
        one.falls += 1
        one.again_at = self.clock() + pause_s
        logbook.say(
            f"{one.part.name} ended (exit {one.child.returncode}); again in {pause_s} s. "
            f"See {one.book.path}."
        )

    def stop(self) -> None:
        """Stop everything: who takes requests first, who keeps the data last."""
        # Running streams still need the engines, and what they used still has to be taken in.
        last = [one.child for one in self._running.values() if one.part.serves_others]
        front = [one.child for one in self._running.values() if one.child not in last]
        self._farewell([(child, signal.SIGTERM) for child in front], STREAMS_S)
        self._farewell([(child, signal.SIGTERM) for child in last], PROGRAMS_S)
        self._farewell([(one.child, one.farewell) for one in self._databases], DATABASES_S)

    def _farewell(
        self, wave: Sequence[tuple[subprocess.Popen[bytes], signal.Signals]], patience_s: float
    ) -> None:
        asked = self._signals
        deadline = self.clock() + patience_s
        for child, farewell in wave:
            if child.poll() is None:
                child.send_signal(farewell)
        children = [child for child, _ in wave]
        while any(child.poll() is None for child in children):
            # Whoever asks twice does not want to wait for streams to end.
            if self.clock() > deadline or self._signals > asked:
                break
            time.sleep(TICK_S / 4)
        for child in children:
            kill_group(child)
            child.wait()


def _is_up(one: Running) -> bool:
    is_up = one.part.is_up
    return one.again_at is None and one.child.poll() is None and (is_up is None or is_up())
