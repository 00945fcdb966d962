"""Health checks: workers are asked now and then whether they are there, before a caller is.

Live traffic tells of workers that fail; it can't tell of one that died silently while nobody
asked, nor that such a one is back. Each worker is asked for its models, which costs an engine
nothing; any answer below 500 is a sign of life. Two failures in a row put a worker out, one
answer lets it in again. Nothing else does either: where live traffic met a failure or waited
in vain, it only has the worker asked at once; nobody at home is then enough.

No answer in time from a worker that is at work for us proves nothing: engines that do one thing
at a time are silent meanwhile. Its requests have their own limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.ports import Call, WorkerFailed
from inference.http.lines import Headers

FAILURES = 2
AT_ONCE = 16
"""Probes under way at a time; the others wait for the next tick."""

HEARD_MAX = 200
LIST_MAX = 1024 * 1024
"""Bytes of a list of models that are read to its end, to keep the connection."""

JITTER = 0.25
"""A quarter more or less, so that many gateways don't ask in step."""

AGAIN_SHARE = 0.2
"""After a failure the next probe comes sooner: after this share of the usual time."""

DEAD = 500


class Outlist(Protocol):
    """Who is told which workers are out."""

    def put_out(self, worker_id: str) -> None:
        """Send nothing there."""

    def let_in(self, worker_id: str) -> None:
        """Send requests there again."""


@dataclass
class Watched:
    """What is known of one worker. ``asking``: a probe is under way.

    ``is_suspect``: a request met a failure since it was last heard. ``heard``: what the last
    probe came to, the status of an answer or why there was none.
    """

    due: float
    failures: int = 0
    is_suspect: bool = False
    answered_at: float | None = None
    asking: Probe | None = None
    heard: str = ""


class Probe:
    """One question, and whoever waits for a sign of life. ``told`` is called once.

    It is told the fault, empty if there is none, and what was heard.
    """

    __slots__ = ("_call", "_left", "_timer", "_told")

    def __init__(self, told: Callable[[str, str], None]) -> None:
        self._told: Callable[[str, str], None] | None = told
        self._left = LIST_MAX
        self._call: Call | None = None
        self._timer: asyncio.TimerHandle | None = None

    def send(
        self,
        fleet: Fleet,
        worker: Worker,
        loop: asyncio.AbstractEventLoop,
        wait_s: float,
    ) -> None:
        """Ask."""
        self._timer = loop.call_later(wait_s, self._end, "timeout", "timeout")
        self._call = fleet.probe(worker, self)

    def drop(self) -> None:
        """Ask no more, and tell nobody."""
        self._told = None
        self._end("", "")

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the sign of life. The list is read to its end, to keep the connection."""
        self._tell("" if status < DEAD else "status", str(status))

    def on_data(self, data: bytes) -> None:
        """Pass over what is served; who says it without end is not listened to."""
        self._left -= len(data)
        if self._left < 0:
            self._end("", "")

    def on_drain(self) -> None:
        """Nothing: there is no body."""

    def on_end(self) -> None:
        """Forget the time."""
        self._call = None
        self._end("", "")

    def on_fail(self, failure: WorkerFailed) -> None:
        """Tell why there is no sign of life."""
        self._end(failure.reason, str(failure)[:HEARD_MAX])

    def _end(self, fault: str, heard: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        call, self._call = self._call, None
        if call is not None:
            call.abort()
        self._tell(fault, heard)

    def _tell(self, fault: str, heard: str) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(fault, heard)


class Prober:
    """Probes the workers that are in use, each every ``every_s``. Made inside the loop.

    ``say`` writes to the log.
    """

    def __init__(
        self,
        fleet: Fleet,
        outlist: Outlist,
        workers: Callable[[], Iterable[Worker]],
        say: Callable[..., None],
        *,
        every_s: float,
        wait_s: float,
    ) -> None:
        self._fleet = fleet
        self._outlist = outlist
        self._workers = workers
        self._say = say
        self._every_s = every_s
        self._wait_s = wait_s
        self._loop = asyncio.get_running_loop()
        self._chance = Random()  # noqa: S311 - spreads work, hides nothing
        self._watched: dict[str, Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, if probes are wanted at all."""
        if self._every_s > 0:
            self._tick()

    def suspect(self, worker_id: str) -> None:
        """Ask this one with the next tick: what went wrong may be its fault or the caller's."""
        if self._every_s > 0:
            now = self._loop.time()
            watch = self._watched.setdefault(worker_id, Watched(now))
            watch.is_suspect = True
            if not watch.failures:  # Else it is asked often enough.
                watch.due = now

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        for worker_id in list(self._watched):
            self._forget(worker_id)

    def answered_at(self, worker_id: str) -> float | None:
        """Return when (loop's clock) a worker last answered a probe; none if it never did."""
        watch = self._watched.get(worker_id)
        return None if watch is None else watch.answered_at

    def heard(self, worker_id: str) -> str:
        """Return what the last probe of a worker came to; empty if there was none."""
        watch = self._watched.get(worker_id)
        return "" if watch is None else watch.heard

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._every_s / 10, self._tick)
        now, present = self._loop.time(), {w.worker_id: w for w in self._workers()}
        for worker_id in self._watched.keys() - present.keys():
            self._forget(worker_id)
        free = AT_ONCE - sum(watch.asking is not None for watch in self._watched.values())
        for worker_id, worker in present.items():
            watch = self._watched.get(worker_id)
            if watch is None:
                watch = self._watched[worker_id] = Watched(now + self._pause_s(self._every_s))
            if watch.asking is None and watch.due <= now and free > 0:
                free -= 1
                self._ask(worker, watch)

    def _ask(self, worker: Worker, watch: Watched) -> None:
        def told(fault: str, heard: str) -> None:
            watch.asking = None
            watch.heard = heard
            self._judge(worker.worker_id, watch, fault)

        watch.asking = Probe(told)
        watch.asking.send(self._fleet, worker, self._loop, self._wait_s)

    def _judge(self, worker_id: str, watch: Watched, fault: str) -> None:
        was_out = watch.failures >= FAILURES
        if not fault:
            watch.failures, watch.is_suspect = 0, False
            watch.answered_at = self._loop.time()
        elif fault != "timeout" or was_out or not self._fleet.in_flight(worker_id):
            is_sure = watch.is_suspect and fault == "connect"
            watch.failures += FAILURES if is_sure else 1
        soon_s = self._every_s * AGAIN_SHARE if watch.failures else self._every_s
        watch.due = self._loop.time() + self._pause_s(soon_s)
        if watch.failures >= FAILURES and not was_out:
            self._outlist.put_out(worker_id)
            self._say("worker_out", "warning", worker_id=worker_id, reason=fault)
        elif was_out and not watch.failures:
            self._outlist.let_in(worker_id)
            self._say("worker_in", "info", worker_id=worker_id)

    def _forget(self, worker_id: str) -> None:
        watch = self._watched.pop(worker_id)
        if watch.asking is not None:
            watch.asking.drop()
        self._outlist.let_in(worker_id)

    def _pause_s(self, usual_s: float) -> float:
        return usual_s * (1 + JITTER * (2 * self._chance.random() - 1))
