"""Recorder (routing trace): tells of every decision with all it was made from, on a capped stream.

Beside the way of a request and never before it: records wait for a tenth of a second, go out as
one entry, and are dropped (and counted) where Valkey is away or too many wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from inference.contracts.decide import FORMULA
from inference.contracts.records import RECORDS, RECORDS_BYTES, RECORDS_FIELD
from inference.routing.came import Came
from inference.routing.weigh import Weighed

EVERY_S: Final = 0.1
WAITING_MAX: Final = 2_048
ENTRY_MAX: Final = 64
"""Records in one entry of the stream."""

Json = dict[str, Any]


class Recorder:
    """See the module. ``call``: sends a command to Valkey, if it ``is_up``.

    ``gateway``: this one's name; ``clock`` gives Unix seconds.

    ``told`` and ``dropped`` count records.
    """

    def __init__(
        self,
        call: Callable[..., None],
        is_up: Callable[[], bool],
        gateway: str,
        clock: Callable[[], float],
    ) -> None:
        self._call = call
        self._is_up = is_up
        self._gateway = gateway
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Json] = []
        self._timer: asyncio.TimerHandle | None = None
        self.told = self.dropped = 0

    def note(self, weighed: Weighed, came: Came) -> None:
        """Take an attempt that is over, and what came of it."""
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(_record(weighed, came, self._gateway, self._clock()))
        if self._timer is None:
            self._timer = self._loop.call_later(EVERY_S, self._tell)

    def stop(self) -> None:
        """Tell what waits."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell()

    def _tell(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        if not self._is_up():
            self.dropped += len(waiting)
            return
        for begin in range(0, len(waiting), ENTRY_MAX):
            some = waiting[begin : begin + ENTRY_MAX]
            text = msgspec.json.encode(some)
            # Entries of this size are as many as the bound takes; others are much alike.
            bound = ("MAXLEN", "~", max(64, RECORDS_BYTES // (len(text) + 128)))
            then = partial(self._on_told, len(some))
            self._call("XADD", RECORDS, *bound, "*", RECORDS_FIELD, text, then=then)

    def _on_told(self, count: int, reply: Any) -> None:
        if isinstance(reply, Exception):
            self.dropped += count
        else:
            self.told += count


def _record(weighed: Weighed, came: Came, gateway: str, at: float) -> Json:
    demand, wish, policy = weighed.demand, weighed.wish, weighed.demand.policy
    return {
        "request_id": demand.request_id,
        "attempt": weighed.attempt,
        "project": demand.project,
        "endpoint": demand.endpoint,
        "model": demand.model,
        "gateway": gateway,
        "at": at,
        "at_us": weighed.at_us,
        "formula": FORMULA,
        "policy": policy,
        "draw": weighed.draw,
        "tokens": wish.tokens,
        "weight": wish.weight,
        "ttft_us": wish.ttft_us,
        "tpot_us": wish.tpot_us,
        "fallback": demand.fallback,
        "chosen": weighed.decided.chosen,
        "workers": [worker.worker_id for worker in weighed.workers],
        "candidates": [candidate.numbers() for candidate in weighed.candidates],
        "came": came.told(wish, weighed.decided),
    }
