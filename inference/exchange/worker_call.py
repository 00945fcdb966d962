"""The call to the worker that is asked (flow control): what goes up, and when no more is read.

It outlives the workers it goes to: who was held back stays so when another takes over.
"""

from __future__ import annotations

from inference.fleet.ports import Answer, Call


class WorkerCall:
    """See the module. ``is_open``: whether a worker has more to say, as far as is known."""

    __slots__ = ("_call", "_is_caller_slow", "_is_held_back")

    def __init__(self) -> None:
        self._call: Call | None = None
        self._is_caller_slow = self._is_held_back = False

    @property
    def is_open(self) -> bool:
        """Say whether a worker has more to say, as far as is known."""
        return self._call is not None

    def begin(self, call: Call | None) -> None:
        """Go on with a call to another worker."""
        self._call = call

    def tell(self, answer: Answer) -> None:
        """Let another take what it says from now on."""
        if self._call is not None:
            self._call.tell(answer)

    def send(self, data: bytes) -> bool:
        """Send a piece of the request body; false if the worker is slow."""
        return self._call is None or not data or self._call.write(data)

    def end(self) -> None:
        """Say that the request body is complete."""
        if self._call is not None:
            self._call.end()

    def pause(self) -> None:
        """Read no more for now: the caller is slow."""
        self._is_caller_slow = True
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """Read on: the caller has caught up."""
        self._is_caller_slow = False
        if self._call is not None and not self._is_held_back:
            self._call.resume()

    def hold_back(self) -> None:
        """Read no more for now: too little is held."""
        if self._call is not None:
            self._is_held_back = True
            self._call.pause()

    def read_on(self) -> None:
        """Read on, if it was held back: enough is held."""
        if self._is_held_back:
            self._is_held_back = False
            if self._call is not None and not self._is_caller_slow:
                self._call.resume()

    def forget(self) -> None:
        """Learn that nothing more comes of it."""
        self._call = None

    def hang_up(self) -> None:
        """Close the connection to the worker, if its answer is not over."""
        call, self._call = self._call, None
        if call is not None:
            call.abort()
