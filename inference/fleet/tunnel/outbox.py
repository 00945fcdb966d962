"""What goes out over a link, and in which order (fair queueing, as HTTP/2's senders do it).

Control frames overtake data, data goes round from stream to stream, a piece each. Everything is
handed out in bounded portions: what a slow link can't take waits in its streams, which then ask
their callers for no more. Answers to pings keep one place: of many, the last is enough.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Final

SLOTS: Final = 3
PONG_SLOT: Final = 0
SOCKET_PONG_SLOT: Final = 1
TOKEN_SLOT: Final = 2


class Source(ABC):
    """Who has data to send. ``is_queued`` is the outbox's own."""

    __slots__ = ("is_queued",)

    def __init__(self) -> None:
        self.is_queued = False

    @abstractmethod
    def pull(self) -> bytes:
        """Return one message of data, as it goes out; nothing if none may go now."""


class Outbox:
    """See the module."""

    def __init__(self) -> None:
        self._control: deque[bytes] = deque()
        self._slots: list[bytes] = [b""] * SLOTS
        self._ring: deque[Source] = deque()

    @property
    def is_empty(self) -> bool:
        """Say whether nothing waits."""
        return not (self._control or self._ring or any(self._slots))

    def put(self, message: bytes) -> None:
        """Send this before any data."""
        self._control.append(message)

    def put_last(self, slot: int, message: bytes) -> None:
        """Send this in place of the last one of its kind, if that still waits."""
        self._slots[slot] = message

    def queue(self, source: Source) -> None:
        """Let a stream have its turn."""
        if not source.is_queued:
            source.is_queued = True
            self._ring.append(source)

    def take(self, room: int) -> list[bytes]:
        """Return the next messages: at least so many bytes, if there are, and one more at most."""
        taken: list[bytes] = []
        for slot, message in enumerate(self._slots):
            if message:
                taken.append(message)
                room -= len(message)
                self._slots[slot] = b""
        while self._control and room > 0:
            message = self._control.popleft()
            taken.append(message)
            room -= len(message)
        while self._ring and room > 0:
            message = self._next()
            taken.append(message)
            room -= len(message)
        return taken

    def clear(self) -> None:
        """Send nothing of it."""
        self._control.clear()
        self._ring.clear()
        self._slots = [b""] * SLOTS

    def _next(self) -> bytes:
        source = self._ring.popleft()
        message = source.pull()
        source.is_queued = bool(message)
        if message:  # It may have more, and asks for its next turn behind all others.
            self._ring.append(source)
        return message
