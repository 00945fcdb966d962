"""What a link needs of its connection: bytes leave by it, and the loop's next turn comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable


class Wire(ABC):
    """See the module. A test is one, too, without any socket."""

    @abstractmethod
    def send_soon(self) -> None:
        """Take out what is to be sent, within this turn of the loop or the next."""

    @abstractmethod
    def later(self, call: Callable[[], None]) -> None:
        """Call this with the loop's next turn."""

    @abstractmethod
    def blocked_s(self, now: float) -> float:
        """Return for how long the other end has taken nothing; zero while it does."""

    @abstractmethod
    def shut(self, code: int, reason: str) -> None:
        """Say farewell, and end the connection."""

    @abstractmethod
    def report(self, fault: Exception) -> None:
        """Tell whoever looks after faults of ours."""
