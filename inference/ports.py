"""What the core of the data plane needs from the outside, said as protocols.

Everything here is *push* style: no futures and no tasks on the hot path, because the
event loop's task machinery costs more than the work itself (see bench/RESULTS.md).
A call returns at once; what comes of it is pushed into the object that asked.
"""

from __future__ import annotations

from typing import Protocol

from inference.contracts import Grant, Pool, Route, UsageEvent, Worker

Headers = list[tuple[bytes, bytes]]
"""Header fields as they stand on the wire; names in lower case."""


class WorkerFailed(Exception):
    """A worker refused, reset, timed out or spoke nonsense.

    ``reason`` is one of ``connect``, ``reset``, ``timeout``, ``protocol``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Answer(Protocol):
    """Who receives a worker's answer. Calls come in this order and stop after end or failure."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the status line and the header fields (hop-by-hop fields already removed)."""

    def on_data(self, data: bytes) -> None:
        """Take body bytes: de-chunked, never decompressed, one call for one socket read."""

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


class Fleet(Protocol):
    """The workers, as something that can be asked."""

    def ask(
        self, worker: Worker, path: str, headers: Headers, body: bytes | None, answer: Answer
    ) -> Call:
        """Send ``POST {worker.url}{path}``; ``body=None`` means that it follows by ``write``.

        Never raises for what the network does: that arrives as ``answer.on_fail``, and
        never before this call has returned.
        """


class Tables(Protocol):
    """What this process knows of grants, routes and pools, from memory, without waiting."""

    def grant(self, digest: str) -> Grant | None:
        """Return a known grant, or none if it has to be fetched."""

    def route(self, project: str, slug: str) -> Route | None:
        """Return a known route, or none if it has to be fetched."""

    def pool(self, name: str) -> Pool | None:
        """Return a known pool, or none if it has to be fetched."""


class EventSink(Protocol):
    """Where usage events go. Must not lose one without saying so."""

    def put(self, event: UsageEvent) -> None:
        """Take an event; it is on its way to PostgreSQL when this returns."""
