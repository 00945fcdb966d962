"""What goes next to the gateway (scheduling); sans-I/O.

Control frames overtake bodies; bodies take turns, a piece of 16 KiB each.
"""

from __future__ import annotations

from collections import deque

from xim.link.frames import DATA_MAX, FIN, Kind, ProtocolFault, encode
from xim.link.windows import SendWindow

CONTROL_MAX = 4096
"""So many control frames wait only where nobody reads at the other end."""


class Outflow:
    """The body that one stream still has to send."""

    def __init__(self, number: int, window: SendWindow) -> None:
        self.number = number
        self.window = window
        self._waiting = bytearray()
        self._ends = False

    @property
    def unsent(self) -> int:
        """Return how many bytes wait."""
        return len(self._waiting)

    def put(self, piece: bytes) -> None:
        """Have a piece of the body sent when its turn comes."""
        self._waiting += piece

    def end(self) -> None:
        """Have the end said after what waits."""
        self._ends = True

    @property
    def is_ready(self) -> bool:
        """Say whether a frame could go now."""
        return self.window.room > 0 if self._waiting else self._ends

    def take(self) -> tuple[bytes, bool]:
        """Return the next piece, and whether the body ends with it."""
        count = min(len(self._waiting), self.window.room, DATA_MAX)
        piece = bytes(self._waiting[:count])
        del self._waiting[:count]
        self.window.spend(count)
        ends = self._ends and not self._waiting
        self._ends = self._ends and not ends
        return piece, ends


class Turns:
    """All that waits to be handed to the transport."""

    def __init__(self) -> None:
        self._control: deque[bytes] = deque()
        self._flows: dict[int, Outflow] = {}
        self._turn: deque[int] = deque()

    def say(self, frame: bytes) -> None:
        """Have a control frame go before all bodies."""
        if len(self._control) >= CONTROL_MAX:
            raise ProtocolFault("the gateway reads nothing of what it is told", 4408)
        self._control.append(frame)

    def add(self, flow: Outflow) -> None:
        """Know a stream that will send a body."""
        self._flows[flow.number] = flow

    def drop(self, number: int) -> None:
        """Forget a stream, and what it had not sent."""
        self._flows.pop(number, None)

    def wake(self, number: int) -> None:
        """Give a stream its turn: it has more to send, or more room."""
        flow = self._flows.get(number)
        if flow is not None and flow.is_ready and number not in self._turn:
            self._turn.append(number)

    def next(self) -> tuple[bytes, Outflow | None] | None:
        """Return the frame that goes next, and whose body it was; None: nothing can go."""
        if self._control:
            return self._control.popleft(), None
        while self._turn:
            flow = self._flows.get(self._turn.popleft())
            if flow is not None and flow.is_ready:
                piece, ends = flow.take()
                self.wake(flow.number)
                flags = FIN if ends else 0
                return encode(Kind.DATA, piece, stream=flow.number, flags=flags), flow
        return None
