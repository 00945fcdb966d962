"""A request under way (native base class): its state, its waits, what its parts ask of the whole.

The whole is an ``Exchange``. Its parts know this much of it and no more, so that it can know
them by name and no file imports itself by way of others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from inference.admission.ports import Verdict
from inference.body.prepare import Prepared
from inference.exchange.caller import Caller
from inference.exchange.plane import Plane
from inference.gate.head import Head
from inference.gate.passed import Passed
from inference.http.fields import Names
from inference.http.lines import Lines
from inference.http.problems import Refused
from inference.routing.demand import Demand
from inference.telemetry.outcome import Outcome

# What an exchange waits for. Plain numbers: an enum's members cost a look-up each time.
READING: Final = 0  # the gate's tables, the caller's body, or both
DECIDING: Final = 1  # the limiter
RELAYING: Final = 2  # the worker
DONE: Final = 3
SHUT_OUT: Final = 4  # nothing: it is refused, and told so in a moment


class Request(ABC):
    """See the module. ``passed``: what the gate said, once it has let it through."""

    __slots__ = (
        "caller",
        "demand",
        "due",
        "head",
        "names",
        "outcome",
        "passed",
        "plane",
        "state",
    )

    def __init__(self, plane: Plane, caller: Caller) -> None:
        self.plane = plane
        self.caller = caller
        self.state = READING
        self.due = 0.0
        self.passed: Passed | None = None
        self.demand: Demand | None = None
        """What the router was told of it (``demands``)."""
        self.head: Head
        self.names: Names
        self.outcome: Outcome

    def wait_until(self, moment: float) -> None:
        """Wait for something else from now on, until then."""
        is_sooner = moment < self.due
        self.due = moment
        if is_sooner:
            self.plane.wheel.arm(self)

    def lines_up(self) -> Lines:
        """Return the header lines that a worker is sent."""
        return b"".join((self.head.up, b"x-request-id: ", self.names.raw, b"\r\n"))

    @property
    def is_over(self) -> bool:
        """Say whether it is concluded."""
        return self.state == DONE

    @abstractmethod
    def on_due(self, now: float) -> None:
        """Answer for the wait that lasted too long."""

    @abstractmethod
    def on_passed(self, passed: Passed) -> None:
        """Learn that the gate lets it through."""

    @abstractmethod
    def on_admitted(self, passed: Passed, prepared: Prepared, verdict: Verdict) -> None:
        """Learn that it may be asked of a worker."""

    @abstractmethod
    def on_held(self) -> None:
        """Learn that more is held, or that an answer's end was decided: what waited goes on."""

    @abstractmethod
    def answer(self, status: int, lines: Lines, body: bytes) -> None:
        """Answer it ourselves, and well."""

    @abstractmethod
    def refuse(self, refusal: Refused, extra: Lines = b"", ending: str = "refused") -> None:
        """Answer with an error; nothing of an answer may have been sent."""

    @abstractmethod
    def fail(self, refusal: Refused) -> None:
        """End it with an error, in whatever form it can still take."""

    @abstractmethod
    def conclude(self, status: int, code: str, ending: str) -> None:
        """Book the end: settle, report, and take no more part. Comes before the last byte."""
