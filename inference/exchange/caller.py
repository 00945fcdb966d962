"""The one who asked, as the core needs it. What an edge gives."""

from __future__ import annotations

from typing import Protocol

from inference.http.lines import Lines


class Caller(Protocol):
    """The one who asked, as the core sees it: given by an edge, one for each request."""

    address: str
    """Whose it is: the peer, or who the trusted proxies say it is. No port."""

    def start(self, status: int, lines: Lines, *, has_length: bool) -> None:
        """Send the status line and header fields. With no length, the edge frames the body."""

    def write(self, data: bytes) -> None:
        """Send body bytes."""

    def finish(self) -> None:
        """Say that the answer is complete. Nothing may follow."""

    def abort(self) -> None:
        """Close the connection: the answer can't be completed honestly."""

    def pause_body(self) -> None:
        """Stop reading the request body: the worker is slow."""

    def resume_body(self) -> None:
        """Go on reading it."""
