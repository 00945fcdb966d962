"""The limiter of the data plane: every request is let in and settled by one call to Valkey.

While Valkey is away a bounded share is let in from memory. However it was let in, a request
that ends is first written to the journal and only then told to Valkey, so that the end of a
request is never forgotten, and at worst told twice, which the functions don't mind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from inference.admission import commands, verdicts
from inference.admission.admitted import AdmitBatch, AdmittedRequest, Judge, SettleBatch
from inference.admission.commands import LEASE_S
from inference.admission.holds import price
from inference.admission.journal import Journal
from inference.admission.lanes import Lane, Lanes
from inference.admission.library import Library
from inference.admission.outage import OutageLimits, OutageShare
from inference.admission.ports import Ask, OnVerdict, Verdict
from inference.admission.segment import place_of
from inference.admission.shut import Shut
from inference.contracts.entries import Grant, Route
from inference.contracts.events import UsageEvent
from inference.sources.link import Link

OWED_MAX: Final = 50_000
AT_ONCE: Final = 64
"""Requests in one call at most: everybody else waits while Valkey judges them."""
EASY_S: Final = 1.0
"""How long what was easy is believed to be easy still."""
AHEAD_MAX: Final = 8
"""Requests of a lane that may be taken for granted at a time: half of what was called easy, so
that two gateways may."""
RENEW_EVERY_S: Final = LEASE_S / 3


class ValkeyLimiter(Judge):
    """See the module. ``now`` is the loop's clock; ``lost`` is told of an event without room."""

    def __init__(
        self,
        link: Link,
        journal: Journal,
        now: Callable[[], float],
        lost: Callable[[str], None],
        share: OutageShare | None = None,
    ) -> None:
        self._link = link
        self._journal = journal
        self._now = now
        self._lost = lost
        self._library = Library(link, now)
        self._lanes = Lanes()
        self._outage = OutageLimits(share or OutageShare())
        self._shut = Shut()
        self._asks: dict[Lane, list[AdmittedRequest]] = {}
        self._ends: dict[Lane, list[AdmittedRequest]] = {}
        self._running: dict[str, AdmittedRequest] = {}
        self._owed: deque[bytes] = deque(maxlen=OWED_MAX)
        self.is_behind = True
        """Whether ends stand in the journal that Valkey has not taken."""
        self.is_restored = False
        """Whether Valkey has its counters, as far as we have heard."""
        link.on_up.append(self._catch_up)

    def __len__(self) -> int:
        """Return how many requests run."""
        return len(self._running)

    @property
    def fault(self) -> str | None:
        """Why Valkey does not take the admission functions, if it does not."""
        return self._library.fault

    # ── Letting in ─────────────────────────────────────────────────────────────────────

    def admit(self, ask: Ask, on_verdict: OnVerdict) -> bool:
        """Decide; an allowed request holds what it asked for until it is settled.

        True while the verdict is still to come, but is all but sure to allow it.
        """
        if self._journal.trouble is not None:
            on_verdict(verdicts.UNMETERED)
            return False
        lane = self._lanes.of(ask)
        running = AdmittedRequest(self, ask, lane, on_verdict)
        if not self._link.is_up:
            self._admit_locally(running)
            return False
        self._gather()
        _put(self._asks, running)
        lane.unheard += 1
        return lane.unheard <= AHEAD_MAX and self._now() < lane.easy_until

    def shut(self, grant: Grant, route: Route) -> Verdict | None:
        """Return the refusal that any request of this key would get here now, if that is known."""
        return self._shut.of(grant, route, self._now())

    def _gather(self) -> None:
        if not (self._asks or self._ends):
            self._link.at_the_last(self._say)

    def _say(self) -> None:
        """Say all of this tick: one call for each lane. Ends come first, for they make room."""
        ends, self._ends = self._ends, {}
        asks, self._asks = self._asks, {}
        for lane, requests in ends.items():
            for some in _batches(requests):
                told = SettleBatch(self, some)
                self._link.send(lane.settle([running.end for running in some]), told.on_reply)
        for lane, requests in asks.items():
            for some in _batches(requests):
                asked = AdmitBatch(self, lane, some)
                self._link.send(asked.packed, asked.on_reply)

    def on_admitted(self, asked: AdmitBatch, reply: Any) -> None:
        """Pass on what Valkey decided; if it did not, decide here."""
        asked.lane.unheard -= len(asked.requests)
        if isinstance(reply, list):
            for running, answer in zip(asked.requests, reply, strict=True):
                self._link.tell(running.on_answer, answer)
        elif self._library.again(reply, asked.packed, asked.on_reply):
            asked.lane.unheard += len(asked.requests)
        else:
            for running in asked.requests:
                self._link.tell(self._decide_here, running)

    def _decide_here(self, running: AdmittedRequest) -> None:
        if not self._admit_locally(running):
            self._take_back(running)

    def on_answer(self, running: AdmittedRequest, answer: list[Any]) -> None:
        """Pass on what Valkey decided of one request."""
        word, lane = answer[0], running.lane
        limits = verdicts.limits_of(answer, lane.route)
        if word == verdicts.UNRESTORED:
            self.is_restored = False
        if word == verdicts.ADMITTED:
            self._start(running)
            if running.hold.money:
                self._outage.learn(lane.route.project, answer[6])
            lane.easy_until = self._now() + EASY_S if answer[7] else 0.0
            verdict = Verdict(True, limits=limits, hold_tokens=running.hold.covered)
        else:
            lane.easy_until = 0.0
            verdict = verdicts.refusal(word, lane.grant, lane.route, answer[5], limits)
            self._shut.note(word, lane.grant, lane.route, verdict, self._now())
        running.tell(verdict)

    def _start(self, running: AdmittedRequest) -> None:
        running.leased_at = self._now()
        running.lane.beside.running += 1
        self._running[running.id.decode()] = running

    def _admit_locally(self, running: AdmittedRequest) -> bool:
        lane, beside = running.lane, running.lane.beside.running
        is_in = self._outage.let_in(lane.grant, lane.route, running.hold, beside, self._now())
        if is_in:
            running.is_local = True
            self._start(running)
        running.tell(Verdict(True, hold_tokens=running.hold.covered) if is_in else verdicts.AWAY)
        return is_in

    def _take_back(self, running: AdmittedRequest) -> None:
        """Undo an admission of which we did not hear; its orphan would be charged otherwise."""
        lane = running.lane
        self._owed.append(commands.void(lane.tag, running.id))
        # If this process ends before it is told, the next one tells it.
        self._journal.append(lane.never_ran(running.id), lane.shard)
        self.is_behind = True

    # ── Going on ───────────────────────────────────────────────────────────────────────

    def renew(self, request_id: str, tokens_so_far: int, on_verdict: OnVerdict) -> None:
        """Hold more: ``tokens_so_far`` (prompt and answer, estimated) were used up."""
        running = self._running.get(request_id)
        if running is None:
            on_verdict(Verdict(True))
            return
        hold = running.hold
        short = tokens_so_far + hold.step - running.covered
        tokens = max(1, -(-short // hold.step)) * hold.step
        more = price(running.lane.route.terms, hold.est_in, hold.est_out + tokens)
        running.wants(tokens, more - hold.est_money, on_verdict)
        if self._link.is_up:
            self._link.send(running.renewal(), running.on_renewed)
        else:
            self._renew_locally(running)

    def on_renewed(self, running: AdmittedRequest, reply: Any) -> None:
        """Pass on what Valkey said of a renewal."""
        lane = running.lane
        if not isinstance(reply, bytes):
            if not self._library.again(reply, running.renewal(), running.on_renewed):
                self._renew_locally(running)
        elif reply in (verdicts.RENEWED, verdicts.UNKNOWN):
            running.grow()
            running.leased_at = self._now()
            if reply == verdicts.UNKNOWN:
                self._assert(running)
            running.tell_renewal(Verdict(True, hold_tokens=running.hold.covered))
        else:
            running.tell_renewal(verdicts.refusal(reply, lane.grant, lane.route))

    def _renew_locally(self, running: AdmittedRequest) -> None:
        route = running.lane.route
        if self._outage.grow(route, running.more_tokens, running.more_money):
            running.grow()
            running.tell_renewal(Verdict(True, hold_tokens=running.hold.covered))
        else:
            running.tell_renewal(verdicts.AWAY)

    def keep_leases(self) -> None:
        """Give a sign of life for every request whose lease has run for a third of its time."""
        if not self._link.is_up:
            return
        self._pay()
        now = self._now()
        for running in list(self._running.values()):
            if now - running.leased_at >= RENEW_EVERY_S:
                running.leased_at = now
                self._link.send(running.lane.renew(running.id, 0, 0), running.on_leased)

    def on_leased(self, running: AdmittedRequest, reply: Any) -> None:
        """Say it again if Valkey does not know the request."""
        if reply == verdicts.UNKNOWN and running.id.decode() in self._running:
            self._assert(running)

    def _assert(self, running: AdmittedRequest) -> None:
        self._link.send(running.assertion(), running.on_asserted)

    # ── Ending ─────────────────────────────────────────────────────────────────────────

    def settle(self, event: UsageEvent) -> None:
        """Release every hold and report the usage. Once for each admitted request."""
        running = self._running.pop(event.request_id)
        lane, tokens = running.lane, event.tokens_in + event.tokens_out
        lane.beside.running -= 1
        text = lane.text(event)
        running.where = self._journal.append(text, lane.shard)
        if running.where is None:
            self._lost(text.decode())
        if running.is_local:
            self._owed.append(running.assertion())
        if self._link.is_up and not running.is_local:
            running.end = commands.end_of(running.id, tokens, event.cost, text)
            self._gather()
            _put(self._ends, running)
        else:
            self.is_behind = True

    def on_settled(self, requests: list[AdmittedRequest], reply: Any) -> None:
        """Note in the journal what Valkey has, or that it has not."""
        if not isinstance(reply, list):
            self.is_behind = True
            return
        for running, answer in zip(requests, reply, strict=True):
            if answer[0] == verdicts.UNRESTORED:
                self.is_behind = True
            elif running.where is not None:
                segment, at = running.where
                segment.settle(at, place_of(answer[1] or b"0-1"), running.lane.shard)

    def _catch_up(self) -> None:
        """Tell Valkey, which is back, what runs and what it missed. Ends follow by replay."""
        self._outage.over()
        self.is_behind = True
        self.is_restored = False  # Until it was looked at: it may be another, or empty.
        self.assert_running()
        self._pay()

    def assert_running(self) -> None:
        """Say what runs, and so has to be held: Valkey may not know of it any more."""
        for running in self._running.values():
            running.leased_at = self._now()
            self._assert(running)

    def _pay(self) -> None:
        owed, self._owed = self._owed, deque(maxlen=OWED_MAX)
        for packed in owed:
            self._link.send(packed, partial(self._on_paid, packed))

    def _on_paid(self, packed: bytes, reply: Any) -> None:
        """Owe again what did not arrive: a refused request must not be charged as an orphan."""
        if isinstance(reply, Exception):
            self._owed.append(packed)


def _put(table: dict[Lane, list[AdmittedRequest]], running: AdmittedRequest) -> None:
    table.setdefault(running.lane, []).append(running)


def _batches(requests: list[AdmittedRequest]) -> list[list[AdmittedRequest]]:
    if len(requests) <= AT_ONCE:
        return [requests]
    return [requests[at : at + AT_ONCE] for at in range(0, len(requests), AT_ONCE)]
