"""The question's side of a stream: a request's body that goes up in pieces, as far as granted.

A body that was given whole goes with OPEN if it is small; else it waits here, as one that is
written bit by bit does. Whoever writes is asked to wait above a bound, and told when to go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from inference.fleet.tunnel import frames, websocket
from inference.fleet.tunnel.outbox import Source
from inference.fleet.tunnel.windows import Outflow

HIGH: Final = 64 * 1024
"""Bytes that wait here before whoever writes is asked to wait, and half of that to go on."""


class Upload(Source):
    """See the module. ``on_drain`` is called when more may be written."""

    __slots__ = (
        "_flow",
        "_is_asker_waiting",
        "_number",
        "_offset",
        "_pending",
        "_waiting",
        "inside",
        "is_open",
        "on_drain",
    )

    def __init__(self, head: bytes, body: bytes | None, on_drain: Callable[[], None]) -> None:
        super().__init__()
        self.is_open = body is None
        """More of it is to be written."""
        self.inside: bytes | None = None
        """What goes with OPEN."""
        self.on_drain = on_drain
        self._number = 0
        self._flow: Outflow | None = None
        self._pending: deque[bytes] = deque()
        self._offset = self._waiting = 0
        self._is_asker_waiting = False
        if body is None:
            return
        if frames.fits_inside(head, body):
            self.inside = body
        else:
            self._pending.append(body)
            self._waiting = len(body)

    @property
    def is_wanted(self) -> bool:
        """Say whether there is more of it, here or to come."""
        return self.is_open or bool(self._pending)

    def begin(self, number: int, window: int) -> None:
        """Go up under this number from now on."""
        self._number = number
        self._flow = Outflow(window)
        self.inside = None

    def write(self, data: bytes) -> bool:
        """Take a piece; false if the next should wait for ``on_drain``."""
        self._pending.append(data)
        self._waiting += len(data)
        self._is_asker_waiting = self._waiting >= HIGH
        return not self._is_asker_waiting

    def end(self) -> None:
        """Learn that this was all. Its end travels with the last piece, or alone."""
        self.is_open = False
        if not self._pending:
            self._pending.append(b"")

    def stop(self) -> None:
        """Send nothing more."""
        self.is_open = False
        self.inside = None
        self._pending.clear()
        self._waiting = self._offset = 0

    def grant(self, offset: int) -> bool:
        """Take a credit; true if something that waits may go now."""
        flow = self._flow
        return flow is not None and flow.grant(offset) and bool(self._pending)

    def pull(self) -> bytes:
        """Return the next piece as a message; nothing if none may go now."""
        flow = self._flow
        if not self._pending or flow is None:
            return b""
        piece = self._cut(self._pending[0], flow.left)
        if not piece and self._pending[0]:
            return b""
        self._count(flow, len(piece))
        is_last = not self.is_open and not self._pending
        sent = frames.frame(frames.DATA, piece, self._number, frames.FIN if is_last else 0)
        if self._is_asker_waiting and self._waiting < HIGH // 2:
            self._is_asker_waiting = False
            self.on_drain()
        return websocket.write(websocket.BINARY, sent)

    def _cut(self, data: bytes, granted: int) -> bytes:
        size = min(len(data) - self._offset, frames.DATA_MAX, granted)
        return data[self._offset : self._offset + size] if size > 0 else b""

    def _count(self, flow: Outflow, size: int) -> None:
        flow.send(size)
        self._offset += size
        self._waiting -= size
        if self._offset == len(self._pending[0]):
            self._offset = 0
            self._pending.popleft()
