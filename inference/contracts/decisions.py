"""Decisions (load balancing, routing): what was known when a worker was chosen for an attempt.

The router says it, and it travels whole: with the attempt, the outcome and the usage event. What
each fact means is said in ``FACTS``. All of them are kept, of the attempt that counts: in the
request's log line, in its usage record (one column, JSON), and so in the API and the export.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FACTS: Final = {
    "tried": "Workers that were asked before this one, in vain",
    "candidates": "Workers it was chosen from",
    "in_flight": "Requests it had when it was chosen, as its gateway believed",
    "fallback": "Why the platform's machines served it and not the project's own: 1, none was "
    "there; 2, each was full; 0: nobody stood in for another",
    "hops": "Other gateways it was asked by way of: 1 where this one had no link to it",
    "predicted_ms": "Milliseconds to its first token (TTFT), as predicted; 0: nothing was",
    "hit_tokens": "Tokens of the prompt that were expected in its cache",
    "target": "Whether it was expected to keep the target of the request: 1, nine times of ten; "
    "2, more often than not; 3, less often; 0: there was none",
}
"""Each a whole number. One that is new is missing in what was written before it."""

NOBODY_THERE: Final = 1
ALL_FULL: Final = 2
"""Why an endpoint fell back to machines of the platform (``fallback``)."""


_NEAR: Final = ',"hops":0}'
_SMALL: Final = [str(number) for number in range(256)]


@dataclass(init=False)
class Decision:
    """Why this worker and no other. Made for each attempt, and never changed afterwards."""

    tried: int
    candidates: int
    in_flight: int
    fallback: int
    hops: int
    predicted_ms: int
    hit_tokens: int
    target: int

    def __init__(  # noqa: PLR0913, PLR0917 - read back by name, and made by ``predict``
        self,
        tried: int = 0,
        candidates: int = 0,
        in_flight: int = 0,
        fallback: int = 0,
        hops: int = 0,
        predicted_ms: int = 0,
        hit_tokens: int = 0,
        target: int = 0,
    ) -> None:
        self.tried = tried
        self.candidates = candidates
        self.in_flight = in_flight
        self.fallback = fallback
        self.hops = hops
        self.predicted_ms = predicted_ms
        self.hit_tokens = hit_tokens
        self.target = target
        self._text = ""

    def predict(self, ttft_ms: int, hit_tokens: int, target: int) -> None:
        """Say what was expected of the worker. Before anything is written of it."""
        self.predicted_ms = max(1, ttft_ms)
        self.hit_tokens = hit_tokens
        self.target = target

    def text(self) -> str:
        """Write it as JSON, once: the log and the usage event say the same."""
        if not self._text:
            self._text = (
                f'{{"tried":{_digits(self.tried)},"candidates":{_digits(self.candidates)},'
                f'"in_flight":{_digits(self.in_flight)},"fallback":{_digits(self.fallback)}'
                f"{self._way()}"
            )
        return self._text

    def _way(self) -> str:
        if not self.predicted_ms:
            return f',"hops":{self.hops}}}' if self.hops else _NEAR
        return (
            f',"hops":{_digits(self.hops)},"predicted_ms":{_digits(self.predicted_ms)},'
            f'"hit_tokens":{_digits(self.hit_tokens)},"target":{_digits(self.target)}}}'
        )


def _digits(number: int) -> str:
    """Write a number; the usual ones at a fraction of what that costs."""
    return _SMALL[number] if 0 <= number < len(_SMALL) else str(number)
