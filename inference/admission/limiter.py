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

from inference.admission import commands, words
from inference.admission.commands import LEASE_S, Lines
from inference.admission.journal import Journal
from inference.admission.library import Library
from inference.admission.local import Allowance, Share
from inference.admission.plan import price
from inference.admission.running import Running
from inference.admission.segment import place_of
from inference.contracts import UsageEvent
from inference.ports import Ask, OnVerdict, Verdict
from inference.sources.link import Link

OWED_MAX: Final = 50_000
RENEW_EVERY_S: Final = LEASE_S / 3


class ValkeyLimiter:
    """See the module. ``now`` is the loop's clock; ``lost`` is told of an event without room."""

    def __init__(
        self,
        link: Link,
        journal: Journal,
        now: Callable[[], float],
        lost: Callable[[str], None],
        share: Share | None = None,
    ) -> None:
        self._link = link
        self._journal = journal
        self._now = now
        self._lost = lost
        self._library = Library(link, now)
        self._lines = Lines()
        self._allowance = Allowance(share or Share())
        self._running: dict[str, Running] = {}
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

    def admit(self, ask: Ask, on_verdict: OnVerdict) -> None:
        """Decide; an allowed request holds what it asked for until it is settled."""
        if self._journal.trouble is not None:
            on_verdict(words.UNMETERED)
            return
        running = Running(self, ask, self._lines.of(ask), on_verdict)
        if self._link.is_up:
            self._link.send(running.admission(), running.on_admitted)
        else:
            self._admit_locally(running)

    def on_admitted(self, running: Running, reply: Any) -> None:
        """Pass on what Valkey decided; if it did not, decide here."""
        if not isinstance(reply, list):
            if self._library.again(reply, running.admission(), running.on_admitted):
                return
            if not self._admit_locally(running):
                self._take_back(running)
            return
        word, line = reply[0], running.line
        limits = words.limits_of(reply, line.route)
        if word == words.UNRESTORED:
            self.is_restored = False
        if word == words.ADMITTED:
            self._start(running)
            if running.plan.hold_money:
                self._allowance.learn(line.route.project, reply[6])
            verdict = Verdict(True, limits=limits, hold_tokens=running.plan.covered)
        else:
            verdict = words.refusal(word, line.grant, line.route, reply[5], limits)
        running.tell(verdict)

    def _start(self, running: Running) -> None:
        running.leased_at = self._now()
        self._running[running.id.decode()] = running

    def _admit_locally(self, running: Running) -> bool:
        line, endpoint = running.line, running.line.route.endpoint_id
        beside = sum(r.line.route.endpoint_id == endpoint for r in self._running.values())
        is_in = self._allowance.let_in(line.grant, line.route, running.plan, beside, self._now())
        if is_in:
            running.is_local = True
            self._start(running)
        running.tell(Verdict(True, hold_tokens=running.plan.covered) if is_in else words.AWAY)
        return is_in

    def _take_back(self, running: Running) -> None:
        """Undo an admission of which we did not hear; its orphan would be charged otherwise."""
        line = running.line
        self._owed.append(commands.void(line.tag, running.id))
        # If this process ends before it is told, the next one tells it.
        self._journal.append(line.never_ran(running.id), line.shard)
        self.is_behind = True

    # ── Going on ───────────────────────────────────────────────────────────────────────

    def renew(self, request_id: str, tokens_so_far: int, on_verdict: OnVerdict) -> None:
        """Hold more: ``tokens_so_far`` (prompt and answer, estimated) were used up."""
        running = self._running.get(request_id)
        if running is None or running.plan.covered is None:
            on_verdict(Verdict(True))
            return
        plan = running.plan
        short = tokens_so_far + plan.step - running.plan.covered
        tokens = max(1, -(-short // plan.step)) * plan.step
        more = price(running.line.route.terms, plan.est_in, plan.est_out + tokens)
        running.wants(tokens, more - plan.est_money, on_verdict)
        if self._link.is_up:
            self._link.send(running.renewal(), running.on_renewed)
        else:
            self._renew_locally(running)

    def on_renewed(self, running: Running, reply: Any) -> None:
        """Pass on what Valkey said of a renewal."""
        line = running.line
        if not isinstance(reply, bytes):
            if not self._library.again(reply, running.renewal(), running.on_renewed):
                self._renew_locally(running)
        elif reply in (words.RENEWED, words.UNKNOWN):
            running.grow()
            running.leased_at = self._now()
            if reply == words.UNKNOWN:
                self._assert(running)
            running.tell_renewal(Verdict(True, hold_tokens=running.plan.covered))
        else:
            running.tell_renewal(words.refusal(reply, line.grant, line.route))

    def _renew_locally(self, running: Running) -> None:
        route = running.line.route
        if self._allowance.grow(route, running.more_tokens, running.more_money):
            running.grow()
            running.tell_renewal(Verdict(True, hold_tokens=running.plan.covered))
        else:
            running.tell_renewal(words.AWAY)

    def keep_leases(self) -> None:
        """Give a sign of life for every request whose lease has run for a third of its time."""
        if not self._link.is_up:
            return
        self._pay()
        now = self._now()
        for running in list(self._running.values()):
            if now - running.leased_at >= RENEW_EVERY_S:
                running.leased_at = now
                self._link.send(running.line.renew(running.id, 0, 0), running.on_leased)

    def on_leased(self, running: Running, reply: Any) -> None:
        """Say it again if Valkey does not know the request."""
        if reply == words.UNKNOWN and running.id.decode() in self._running:
            self._assert(running)

    def _assert(self, running: Running) -> None:
        self._link.send(running.admission(forced=True), running.on_asserted)

    # ── Ending ─────────────────────────────────────────────────────────────────────────

    def settle(self, event: UsageEvent) -> None:
        """Release every hold and report the usage. Once for each admitted request."""
        running = self._running.pop(event.request_id)
        line, tokens = running.line, event.tokens_in + event.tokens_out
        text = line.text(event)
        running.where = self._journal.append(text, line.shard)
        if running.where is None:
            self._lost(text.decode())
        if running.is_local:
            self._owed.append(running.admission(forced=True))
        if self._link.is_up and not running.is_local:
            self._link.send(line.settle(running.id, tokens, event.cost, text), running.on_settled)
        else:
            self.is_behind = True

    def on_settled(self, running: Running, reply: Any) -> None:
        """Note in the journal that Valkey has it, or that it has not."""
        if not isinstance(reply, list) or reply[0] == words.UNRESTORED:
            self.is_behind = True
        elif running.where is not None:
            segment, at = running.where
            segment.settle(at, place_of(reply[1] or b"0-1"), running.line.shard)

    def _catch_up(self) -> None:
        """Tell Valkey, which is back, what runs and what it missed. Ends follow by replay."""
        self._allowance.over()
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
