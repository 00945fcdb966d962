"""Nobody, as an answer's receiver: what a call has once its request is over (a null object)."""

from __future__ import annotations

from typing import Final

from inference.fleet.ports import WorkerFailed
from inference.http.lines import Headers


class NullAnswer:
    """Takes the answer of a request that is over: nothing reaches the asker any more."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Drop it."""

    def on_data(self, data: bytes) -> None:
        """Drop it."""

    def on_end(self) -> None:
        """Drop it."""

    def on_fail(self, failure: WorkerFailed) -> None:
        """Drop it."""

    def on_drain(self) -> None:
        """Drop it."""


NULL_ANSWER: Final = NullAnswer()
