"""An admitted request, or one that asks to be, and batches of them for one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from inference.admission.commands import ask_of
from inference.admission.holds import hold_of
from inference.admission.lanes import Lane
from inference.admission.ports import Ask, OnVerdict, Verdict
from inference.admission.segment import Segment


class Judge(ABC):
    """Who decides: it is told what Valkey answered to what was asked for a request."""

    @abstractmethod
    def on_answer(self, running: AdmittedRequest, answer: list[Any]) -> None:
        """Pass on what Valkey decided of one request."""

    @abstractmethod
    def on_renewed(self, running: AdmittedRequest, reply: Any) -> None:
        """Pass on what Valkey said of a renewal."""

    @abstractmethod
    def on_leased(self, running: AdmittedRequest, reply: Any) -> None:
        """Learn whether Valkey knows a request that gave a sign of life."""

    @abstractmethod
    def on_admitted(self, asked: AdmitBatch, reply: Any) -> None:
        """Pass on what Valkey decided of several; if it did not, decide."""

    @abstractmethod
    def on_settled(self, requests: list[AdmittedRequest], reply: Any) -> None:
        """Note which ends Valkey has, and which it has not."""


class AdmittedRequest:
    """One request. Its ``on_…`` methods take Valkey's answers: no closures on the hot path."""

    __slots__ = (
        "_judge",
        "_on_renewal",
        "_on_verdict",
        "end",
        "hold",
        "id",
        "is_local",
        "lane",
        "leased_at",
        "more_money",
        "more_tokens",
        "where",
    )

    def __init__(self, judge: Judge, ask: Ask, lane: Lane, on_verdict: OnVerdict) -> None:
        self._judge = judge
        self._on_verdict = on_verdict
        self._on_renewal: OnVerdict | None = None
        self.id = ask.request_id.encode()
        self.lane = lane
        self.hold = hold_of(ask)
        self.leased_at = 0.0
        self.more_tokens = 0
        self.more_money = 0
        self.is_local = False
        """Whether it was let in without Valkey, which has not been told yet."""
        self.end = b""
        """Its end, packed, until that is told."""
        self.where: tuple[Segment, int] | None = None
        """Where its end stands in the journal."""

    def assertion(self) -> bytes:
        """Return the call that says that it runs."""
        return self.lane.admit([ask_of(self.id, self.hold, forced=True)])

    def renewal(self) -> bytes:
        """Return the call that renews its lease and holds ``more_…``."""
        return self.lane.renew(self.id, self.more_tokens, self.more_money)

    def wants(self, tokens: int, money: int, on_renewal: OnVerdict) -> None:
        """Note what a renewal is to add, and who waits for it."""
        self.more_tokens, self.more_money, self._on_renewal = tokens, money, on_renewal

    def grow(self) -> None:
        """Add what was renewed to what is held."""
        hold = self.hold
        hold.est_out += self.more_tokens
        hold.est_money += self.more_money
        hold.money += self.more_money
        if hold.tokens:
            hold.tokens += self.more_tokens
        hold.covered = self.covered + self.more_tokens

    @property
    def covered(self) -> int:
        """Return how many tokens are put aside."""
        return self.hold.held if self.hold.covered is None else self.hold.covered

    def tell(self, verdict: Verdict) -> None:
        """Answer the one who asked for admission."""
        self._on_verdict(verdict)

    def tell_renewal(self, verdict: Verdict) -> None:
        """Answer the one who asked to go on, once."""
        on_renewal, self._on_renewal = self._on_renewal, None
        self.more_tokens = self.more_money = 0
        if on_renewal is not None:
            on_renewal(verdict)

    def on_answer(self, answer: Any) -> None:
        """Take its own part of the answer of ``admit_all``."""
        self._judge.on_answer(self, answer)

    def on_renewed(self, reply: Any) -> None:
        """Take the answer of ``renew`` to a request for more."""
        self._judge.on_renewed(self, reply)

    def on_leased(self, reply: Any) -> None:
        """Take the answer of ``renew`` to a mere sign of life."""
        self._judge.on_leased(self, reply)

    def on_asserted(self, reply: Any) -> None:
        """Take the answer of a forced ``admit``."""
        if isinstance(reply, list):
            self.is_local = False


class AdmitBatch:
    """Requests of one lane that are asked for in one call."""

    __slots__ = ("_judge", "lane", "packed", "requests")

    def __init__(self, judge: Judge, lane: Lane, requests: list[AdmittedRequest]) -> None:
        self._judge = judge
        self.lane = lane
        self.requests = requests
        self.packed = lane.admit([ask_of(running.id, running.hold) for running in requests])

    def on_reply(self, reply: Any) -> None:
        """Take the answers, one for each."""
        self._judge.on_admitted(self, reply)


class SettleBatch:
    """Ends of one lane that are told in one call."""

    __slots__ = ("_judge", "requests")

    def __init__(self, judge: Judge, requests: list[AdmittedRequest]) -> None:
        self._judge = judge
        self.requests = requests

    def on_reply(self, reply: Any) -> None:
        """Take the answers, one for each."""
        self._judge.on_settled(self.requests, reply)
