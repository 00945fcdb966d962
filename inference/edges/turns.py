"""Requests of one connection, each waiting for its turn to be answered.

HTTP/1.1 answers in the order of asking. A ``Turn`` holds what arrived of a request; it begins
only when every answer before it is complete, whichever plane gives them.
"""

from __future__ import annotations

from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from inference.edges.asgi import LEFT
from inference.edges.connection import CallerConnection
from inference.edges.hygiene import Malformed
from inference.exchange.answer_head import own_head
from inference.http.fields import Names, lines_of
from inference.http.ids import request_id
from inference.http.problems import Refused


class Turn(Protocol):
    """One request in the queue of its connection.

    ``is_read``: the request is complete. ``keeps``: the connection may be used again.
    """

    is_read: bool
    keeps: bool

    @property
    def is_answered(self) -> bool:
        """Say whether nothing more will be written."""

    @property
    def waiting_bytes(self) -> int:
        """Count the bytes of body that nobody has taken."""

    def take(self, data: bytes) -> None:
        """Take a piece of the body."""

    def begin(self) -> None:
        """Begin to answer."""

    def go_on(self) -> None:
        """Use what arrived since."""

    def leave(self) -> None:
        """Learn that the caller has gone."""

    def spoil(self, fault: Malformed) -> bool:
        """Learn that the rest of the request is malformed; false if it is too late to say so."""


class AsgiTurn:
    """Any other request: uvicorn's own cycle, started when its turn has come."""

    __slots__ = ("_cycle", "_has_begun", "_protocol", "is_read")

    def __init__(self, protocol: CallerConnection, cycle: RequestResponseCycle) -> None:
        self.is_read = False
        self._protocol = protocol
        self._cycle = cycle
        self._has_begun = False

    @property
    def keeps(self) -> bool:
        """Say whether the connection may be used again."""
        return self._cycle.keep_alive

    @keeps.setter
    def keeps(self, keeps: bool) -> None:
        self._cycle.keep_alive = keeps

    @property
    def is_answered(self) -> bool:
        """Say whether the application has answered."""
        return self._cycle.response_complete

    @property
    def waiting_bytes(self) -> int:
        """Count what the application has not taken."""
        return 0 if self._has_begun else len(self._cycle.body)

    def take(self, data: bytes) -> None:
        """Lay a piece of the body before the application."""
        cycle = self._cycle
        if cycle.response_complete:
            return
        cycle.body += data
        if len(cycle.body) > self._protocol.context.config.bounds.waiting_bytes:
            self._protocol.pace.pause_reading()
        cycle.message_event.set()

    def begin(self) -> None:
        """Start the application's task."""
        self._has_begun = True
        protocol = self._protocol
        protocol._start_asgi_task(self._cycle, protocol.app)  # noqa: SLF001 - uvicorn's own

    def go_on(self) -> None:
        """Tell the application that the request is complete."""
        if self.is_read and self._cycle.more_body:
            self._cycle.more_body = False
            self._cycle.message_event.set()

    def leave(self) -> None:
        """Tell the application that the caller has gone."""
        self._cycle.disconnected = not self._cycle.response_complete
        self._cycle.message_event.set()
        tell = self._cycle.scope["extensions"][LEFT].get("tell")
        if callable(tell):
            tell()

    def spoil(self, fault: Malformed) -> bool:
        """Leave the application, and say why if it has said nothing yet."""
        self.keeps = False
        is_silent = not self._cycle.response_started
        self.leave()
        if is_silent:
            RefusalTurn(self._protocol, fault).begin()
            self._cycle.response_complete = True
        return is_silent


class RefusalTurn:
    """A request that nobody sees: answered with a bare error, and then the connection ends."""

    __slots__ = ("_fault", "_protocol", "is_answered", "is_read", "keeps", "waiting_bytes")

    def __init__(self, protocol: CallerConnection, fault: Malformed) -> None:
        self.is_read = True
        self.is_answered = False
        self.keeps = False
        self.waiting_bytes = 0
        self._protocol = protocol
        self._fault = fault

    def take(self, data: bytes) -> None:
        """Throw it away."""

    def begin(self) -> None:
        """Answer."""
        fault, protocol = self._fault, self._protocol
        context = protocol.context
        refusal = Refused(fault.code, fault.message, retry_after_s=fault.retry_after_s)
        names, body = Names(request_id(context.plane.clock())), refusal.body()
        lines = own_head(lines_of(refusal.headers()), names, len(body))
        end = b"connection: close\r\n\r\n"
        parts = (STATUS_LINE[fault.status], protocol.date_line(), lines, end, body)
        protocol.transport.write(b"".join(parts))
        peer = protocol.client[0] if protocol.client else ""
        context.turned_away.note(names.request_id, peer, fault.status, fault.message)
        self.is_answered = True

    def go_on(self) -> None:
        """Nothing follows."""

    def leave(self) -> None:
        """Nothing to stop."""

    def spoil(self, fault: Malformed) -> bool:
        """Refuse nothing twice."""
        return True
