"""A worker's answer on its way, and who can ask workers, as the core needs it.

Everything here is *push* style: no futures and no tasks on the hot path, because the
event loop's task machinery costs more than the work itself (see bench/RESULTS.md).
A call returns at once; what comes of it is pushed into the object that asked.
"""

from __future__ import annotations

from typing import Protocol

from inference.contracts.entries import Worker
from inference.http.lines import Headers, Lines


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


class Fleet(Protocol):
    """The workers, as something that can be asked."""

    def ask(
        self, worker: Worker, path: str, lines: Lines, body: bytes | None, answer: Answer
    ) -> Call:
        """Send ``POST {worker.url}{path}``; ``body=None`` means that it follows by ``write``.

        ``lines`` are the asker's own (``http.lines.extra_lines``).

        Never raises for what the network does: that arrives as ``answer.on_fail``, and
        never before this call has returned.
        """

    def in_flight(self, worker_id: str) -> int:
        """Return how many requests this process has with a worker now."""

    def close(self) -> None:
        """Close every connection. What was in flight fails."""
