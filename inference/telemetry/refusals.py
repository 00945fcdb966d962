"""Counts of what this gateway refused, told to the control plane once a second.

Admitted requests leave a usage event each; a refused one must cost less than that, or a flood
of them would be dearer than the work it is kept from. So they are counted here, by minute,
endpoint, key and code, and the ids of the last few of each kind are kept beside. Both are
bounded, whatever strangers send: only what belongs to a key or an endpoint that exists is
counted here at all (``/metrics`` counts everything).
"""

from __future__ import annotations

import asyncio
import uuid
from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from inference.contracts.entries import Route
from inference.contracts.names import route_key
from inference.contracts.tallies import (
    BATCH_FIELD,
    REFUSALS,
    REFUSALS_KEPT,
    RefusalBatch,
    RefusedRequest,
    Tally,
)
from inference.gate.tables import Tables
from inference.http.problems import Refused
from inference.sources.link import Link
from inference.telemetry.outcome import Outcome

TELL_EVERY_S: Final = 1.0
TALLIES_MAX: Final = 2000
"""Different counts kept until they are told; more are only counted as ``untold``."""
KINDS_MAX: Final = 50
LAST_OF_A_KIND: Final = 8
"""Ids kept of a project and code between two batches: a flood of one kind hides no other."""
MESSAGE_MAX: Final = 200
WORD_MAX: Final = 40
LAST_BATCH_S: Final = 0.5

Place = tuple[str, str, str]
"""Project, endpoint and key."""


class Refusals:
    """See the module. ``clock`` gives Unix seconds."""

    def __init__(
        self, link: Link, tables: Tables, loop: AbstractEventLoop, clock: Callable[[], float]
    ) -> None:
        self._link = link
        self._tables = tables
        self._loop = loop
        self._clock = clock
        self._tallies: dict[tuple[int, str, str, str, str], int] = {}
        self._last: dict[tuple[str, str], deque[RefusedRequest]] = {}
        self._timer: TimerHandle | None = None
        self._telling = ""
        """The batch on its way: told again, as it is, until Valkey has taken it."""
        self.untold = 0
        """Refusals that found no room and will be told by nobody."""

    def refused(self, outcome: Outcome, refusal: Refused) -> None:
        """Count a request that was refused before it was admitted."""
        place = self._place_of(outcome, refusal)
        if place is None:
            return
        now = self._clock()
        self._count((int(now) // 60 * 60, *place, refusal.code))
        self._remember(place, outcome, refusal, now)
        self._tell_soon()

    async def stop(self) -> None:
        """Give the last batch a moment to arrive."""
        end = self._loop.time() + LAST_BATCH_S
        self._tell()
        # Polled: it happens once in a process' life, and not for long.
        while self._link.is_up and self._telling and self._loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if self._timer is not None:
            self._timer.cancel()

    def _place_of(self, outcome: Outcome, refusal: Refused) -> Place | None:
        """Say whose refusal it is: never by the path alone, which anybody can type."""
        route, grant = outcome.route, refusal.grant
        if route is not None:
            return route.project, route.endpoint, outcome.key_id
        known = self._tables.recall(route_key(outcome.project, outcome.endpoint))
        found = known if isinstance(known, Route) and not known.gone else None
        if grant is not None:
            is_own = found is not None and found.project == grant.project
            return grant.project, outcome.endpoint if is_own else "", grant.key_id
        return (found.project, found.endpoint, "") if found is not None else None

    def _count(self, name: tuple[int, str, str, str, str]) -> None:
        known = self._tallies
        if name in known or len(known) < TALLIES_MAX:
            known[name] = known.get(name, 0) + 1
        else:
            self.untold += 1

    def _remember(self, place: Place, outcome: Outcome, refusal: Refused, now: float) -> None:
        kind = (place[0], refusal.code)
        last = self._last.get(kind)
        if last is None:
            if len(self._last) >= KINDS_MAX:
                return
            last = self._last[kind] = deque(maxlen=LAST_OF_A_KIND)
        project, endpoint, key_id = place
        last.append(
            RefusedRequest(
                request_id=outcome.names.request_id,
                caller_request_id=outcome.names.caller_id,
                at=now,
                project=project,
                endpoint=endpoint,
                key_id=key_id,
                operation=outcome.operation[:WORD_MAX],
                code=refusal.code,
                status=refusal.status,
                message=refusal.message[:MESSAGE_MAX],
            )
        )

    # ── Telling ────────────────────────────────────────────────────────────────────────

    def _tell_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(TELL_EVERY_S, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._tell()

    def _tell(self) -> None:
        if not self._telling and self._tallies:
            self._telling = self._batch().text()
        if self._telling:
            said = ("XADD", REFUSALS, "MAXLEN", "~", REFUSALS_KEPT, "*", BATCH_FIELD)
            self._link.call(*said, self._telling, then=self._on_told)

    def _batch(self) -> RefusalBatch:
        tallies, self._tallies = self._tallies, {}
        last, self._last = self._last, {}
        return RefusalBatch(
            batch_id=uuid.uuid4().hex,
            tallies=tuple(Tally(*name, count) for name, count in tallies.items()),
            requests=tuple(request for some in last.values() for request in some),
        )

    def _on_told(self, reply: Any) -> None:
        if not isinstance(reply, Exception):
            self._telling = ""
        if self._telling or self._tallies:
            self._tell_soon()
