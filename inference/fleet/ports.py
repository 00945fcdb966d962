"""A worker's answer on its way as the core needs it, and what a transport to workers does.

Everything here is *push* style: no futures and no tasks on the hot path, because the
event loop's task machinery costs more than the work itself (see bench/RESULTS.md).
A call returns at once; what comes of it is pushed into the object that asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, Protocol

from inference.contracts.entries import Worker
from inference.fleet.load import Load
from inference.http.lines import Headers, Lines

FREE: Final = "free"
FULL: Final = "full"
"""What a detour leads to (``Transport.detour``)."""


class WorkerFailed(Exception):
    """A worker refused, reset, timed out or spoke nonsense.

    ``reason`` is one of ``connect``, ``reset``, ``timeout``, ``protocol``. ``is_declined``: it is
    busy, or about to stop, and has not touched the request, which is no fault of anybody's.
    """

    def __init__(self, reason: str, detail: str = "", *, is_declined: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.is_declined = is_declined


@dataclass(frozen=True)
class Connections:
    """What a transport holds now: open, idle among them; and how many it has made in all."""

    open_count: int
    idle_count: int
    made: int


class Answer(Protocol):
    """Who receives a worker's answer. Calls come in this order and stop after end or failure."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the status line and the header fields (hop-by-hop fields already removed)."""

    def on_data(self, data: bytes) -> None:
        """Take body bytes: de-chunked, never decompressed, one call for one socket read."""

    def on_drain(self) -> None:
        """Learn that the worker takes more of a streamed request body again."""

    def on_end(self) -> None:
        """Learn that the body is complete by its framing."""

    def on_fail(self, failure: WorkerFailed) -> None:
        """Learn that the answer broke off. Before ``on_head`` it never began."""


class Call(Protocol):
    """A request on its way to a worker: what the asker may still do with it."""

    def write(self, data: bytes) -> bool:
        """Send more of a streamed request body; false asks to wait for ``on_drain``."""

    def end(self) -> None:
        """Say that the streamed request body is complete."""

    def pause(self) -> None:
        """Stop reading the answer: the caller is slow."""

    def resume(self) -> None:
        """Go on reading."""

    def abort(self) -> None:
        """Close the connection now. Nothing is pushed to the answer afterwards."""

    def tell(self, answer: Answer) -> None:
        """Push what comes from now on to another."""


class Transport(ABC):
    """What carries requests to workers whose address is of its kind. Made inside the loop.

    Neither ``ask`` nor ``probe`` raises for what the network does: that arrives as
    ``answer.on_fail``, and never before the call has returned.
    """

    @abstractmethod
    def carries(self, worker: Worker) -> bool:
        """Say whether a worker's address is of this kind; asked anew when a worker changes."""

    @abstractmethod
    def ask(
        self,
        worker: Worker,
        path: str,
        lines: Lines,
        body: bytes | None,
        answer: Answer,
        load: Load,
    ) -> Call:
        """Send a request to the path below the worker's base; ``body=None``: it is to follow.

        ``load`` counts it: asked, in flight from when this returns until the answer ended,
        failed or was given up, and failed if it did.
        """

    @abstractmethod
    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Ask a worker for its models, which counts as nobody's request."""

    def is_open(self, worker: Worker) -> bool:
        """Say whether a worker would take a request now, as far as that is known unasked."""
        return True

    def running(self, worker: Worker) -> int:
        """Return how many requests a worker says it runs, for whomever; 0 if it says nothing."""
        return 0

    def is_full(self, worker: Worker) -> bool:
        """Say whether a worker is known to have no free place, or to be slow in making one."""
        return False

    def detour(self, worker: Worker) -> str:
        """Say whether a worker would be asked by way of another gateway, and has room there.

        ``FREE`` or ``FULL``; empty where it is asked straight. ``is_full`` says of either that
        another should be asked first.
        """
        return ""

    @abstractmethod
    def connections(self) -> Connections:
        """Count what is open."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection. What was in flight fails, and so does what is asked later."""
