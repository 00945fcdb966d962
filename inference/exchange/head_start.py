"""Speculative dispatch: a worker is asked beside the limiter, where that is sure to say yes.

The round trip to Valkey is a large part of what a gateway adds to a short answer. Where every
limit was far away a moment ago (``Limiter.admit`` says so), the worker is asked in the same
moment. Nothing else is given up: what the worker says is kept back until the limiter has
spoken, and if that refuses after all, the worker is hung up on, the caller gets the refusal,
and nothing was held or charged.
"""

from __future__ import annotations

from collections.abc import Callable

from inference.exchange.plane import Plane
from inference.fleet.ports import Answer, Call, WorkerFailed
from inference.http.lines import Headers, Lines
from inference.routing.choice import Choice


class HeadStart(Answer):
    """A question that may have to be taken back, and what came of it so far.

    Of an answer that comes before the verdict one read is kept, and no more is read.
    """

    __slots__ = ("_said", "call", "choice")

    def __init__(self, plane: Plane, choice: Choice, path: str, lines: Lines, body: bytes) -> None:
        self.choice = choice
        self._said: list[Callable[[Answer], None]] = []
        self.call: Call | None = plane.fleet.ask(choice.worker, path, lines, body, self)

    def hand_over(self, answer: Answer) -> list[Callable[[Answer], None]]:
        """Let another take the answer; returns what has come of it already, to be told first."""
        said, self._said = self._said, []
        if self.call is not None:
            self.call.tell(answer)
            if said:
                self.call.resume()
        return said

    def take_back(self) -> None:
        """Hang up: it is not to be."""
        self.choice.drop()
        if self.call is not None:
            self.call.abort()

    # What the worker says meanwhile.

    def on_head(self, status: int, headers: Headers) -> None:
        """Keep it."""
        self._said.append(lambda answer: answer.on_head(status, headers))

    def on_data(self, data: bytes) -> None:
        """Keep it, and read no more."""
        self._said.append(lambda answer: answer.on_data(data))
        if self.call is not None:
            self.call.pause()

    def on_drain(self) -> None:
        """Nothing: the body was sent whole."""

    def on_end(self) -> None:
        """Keep that it is complete."""
        self.call = None
        self._said.append(lambda answer: answer.on_end())

    def on_fail(self, failure: WorkerFailed) -> None:
        """Keep why there is no more."""
        self.call = None
        self._said.append(lambda answer: answer.on_fail(failure))
