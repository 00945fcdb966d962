"""A machine in simulated time: xim's batch under a clock that jumps from event to event."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from bench.routing.requests import BLOCK_TOKENS
from xim.sim.batch import Batch, Request, Speed, Step


@dataclass(frozen=True, slots=True)
class Machine:
    """What a worker is, from when on it is there, and which kind of accelerator it names."""

    speed: Speed
    kind: str = "fast"
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to one worker between two moments.

    ``slower``: how many times as long each step takes (``inf``: it hangs); ``errors``: the share
    of requests that it refuses at once.
    """

    worker: int
    at: float
    until: float
    slower: float = 1.0
    errors: float = 0.0


class Worker:
    """Works while there is work. ``due`` is when its present steps end, if it is not interrupted.

    Whoever drives it calls ``finish`` at ``due``, and looks at ``due`` again after every call.
    """

    def __init__(self, machine: Machine) -> None:
        self.batch = Batch(machine.speed, block_tokens=BLOCK_TOKENS)
        self.due = inf
        self.slower = 1.0
        self._began = 0.0
        self._step: Step | None = None
        self._leap = 0

    def arrive(self, request: Request, now: float) -> None:
        """Take a request; it joins when the step under way has ended."""
        self.batch.arrive(request)
        self._interrupt(now)
        self._begin(now)

    def change(self, slower: float, now: float) -> None:
        """Be so many times slower from the next step on; at ``inf``, do nothing more."""
        self._interrupt(now)
        self.slower = slower
        self._begin(now)

    def finish(self, now: float) -> tuple[list[Request], list[Request]]:
        """End the steps under way and begin the next; return who has its first and last token."""
        made = (self._step or self.batch.leap(self._leap)).made
        # Now: the next step, which begins at once, counts its tokens when it begins.
        firsts = [one for one in made if one.made == 1] if self._step else []
        lasts = [one for one in made if one.made >= one.output]
        self.due = inf
        self._begin(now)
        return firsts, lasts

    def _begin(self, now: float) -> None:
        if self.due < inf or self.slower == inf:
            return
        self._began = now
        self._step = None
        self._leap = self.batch.alike()
        if self._leap:
            self.due = now + self.batch.seconds_of(self._leap) * self.slower
        elif (step := self.batch.step()) is not None:
            self._step = step
            self.due = now + step.seconds * self.slower

    def _interrupt(self, now: float) -> None:
        """Cut a leap off after the step that is under way now."""
        if self.due < inf and self._step is None and now < self.due:
            steps = self.batch.steps_in((now - self._began) / self.slower)
            self._leap = min(self._leap, steps)
            self.due = self._began + self.batch.seconds_of(self._leap) * self.slower
