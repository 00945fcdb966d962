"""A call that reaches no worker: it fails in a moment, as one does whose connection fails."""

from __future__ import annotations

import asyncio

from inference.fleet.null_answer import NULL_ANSWER
from inference.fleet.ports import Answer, WorkerFailed


class RefusedCall:
    """``ports.Call`` of a request that can't be sent. ``why`` is told with the loop's next turn."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer, why: str) -> None:
        self._answer = answer
        asyncio.get_running_loop().call_soon(self._fail, why)

    def write(self, data: bytes) -> bool:
        """Ask to keep it: the failure is on its way."""
        return False

    def end(self) -> None:
        """Nothing: nobody takes the body."""

    def pause(self) -> None:
        """Nothing: no answer comes."""

    def resume(self) -> None:
        """Nothing: no answer comes."""

    def abort(self) -> None:
        """Tell nobody."""
        self._answer = NULL_ANSWER

    def tell(self, answer: Answer) -> None:
        """Tell another."""
        if self._answer is not NULL_ANSWER:
            self._answer = answer

    def _fail(self, why: str) -> None:
        answer, self._answer = self._answer, NULL_ANSWER
        answer.on_fail(WorkerFailed("connect", why))
