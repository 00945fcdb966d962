"""Whatever dies between any two writes, in whatever order: every request is charged once.

A generated history moves a gateway's journal, the functions in a real Valkey, the consumer and
a real PostgreSQL step by step, so that a death may fall between any two of their writes:
journal, settle, read, commit, acknowledge. Prices change while requests run, leases run out and
are reaped before or after their end is told, and Valkey loses everything and is restored.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import transaction
from hypothesis import HealthCheck, event, given
from hypothesis import strategies as st

from inference.admission.commands import ask_of as packed_ask
from inference.admission.commands import settle_again
from inference.admission.holds import Hold, hold_of
from inference.admission.lanes import Lane, Tally
from inference.contracts.events import UsageEvent
from inference.contracts.money import cost_of
from inference.contracts.names import SHARDS, shard_tag
from inference.tests.asks import GRANT, ask_of, ended, route_of, terms_of
from ledger import services as ledger
from ledger.models import LedgerEntry
from projects.models import Project
from publisher import restore
from publisher.consumer import Consumer
from tests.made_up import examples
from usage import intake, reconcile
from usage.intake import Arrived
from usage.models import PoisonEvent, UsageRecord

FUNCTIONS = Path(__file__).parents[1] / "inference" / "admission" / "functions.lua"
CREDIT = 10**9
LEASE_OVER_S = 20
DAY = timedelta(days=1)
STEPS = (
    *("admit", "renew", "end", "tell", "tell_again", "reap", "reprice"),
    *("read", "commit", "acknowledge", "consumer_dies", "valkey_loses_all", "another_restores"),
)


@dataclass
class Request:
    """A request as its gateway knows it; ``end`` stands in the journal."""

    lane: Lane
    hold: Hold
    price: int
    end: UsageEvent | None = None
    is_told: bool = False


class Platform:
    """What each part has written; ``batch`` is what the consumer has read and not acknowledged."""

    def __init__(self, valkey: redis.Redis, project: Project) -> None:
        self.valkey, self.project = valkey, project
        self.tag = shard_tag(project.public_id)
        self.requests: dict[str, Request] = {}
        self.price = 1_000_000
        self.batch: list[Arrived] = []
        self.is_committed = False
        ledger.top_up(project=project, amount=CREDIT)
        self._empty_valkey()

    def _empty_valkey(self) -> None:
        self.consumer_dies()
        self._restore_empty()

    def _restore_empty(self) -> None:
        self.valkey.flushdb()
        self.valkey.function_load(FUNCTIONS.read_text(encoding="utf-8"), replace=True)
        self.consumer._join()
        intake.begin_restoration()
        restore.put_back(self.valkey, restore.begin(self.valkey, range(SHARDS)))

    def send(self, packed: bytes) -> Any:
        """Send a call as a gateway packs it."""
        connection = self.valkey.connection_pool.get_connection()
        try:
            connection.send_packed_command([packed])  # type: ignore[no-untyped-call] # why: redis-py leaves it untyped
            return connection.read_response()
        finally:
            self.valkey.connection_pool.release(connection)

    # ── The gateway ────────────────────────────────────────────────────────────────────

    def admit(self) -> None:
        terms = terms_of(price_per_million=self.price, requests_per_min=None, tokens_per_min=None)
        grant = replace(GRANT, project=self.project.public_id)
        ask = ask_of(route_of(terms, project=self.project.public_id), grant, streaming=True)
        lane, hold = Lane(ask, Tally()), hold_of(ask)
        [said] = self.send(lane.admit([packed_ask(ask.request_id.encode(), hold)]))
        assert said[0] == "admitted"
        self.requests[ask.request_id] = Request(lane, hold, self.price)

    def reprice(self) -> None:
        self.price = 3_000_000 if self.price == 1_000_000 else 1_000_000

    def running(self) -> list[tuple[str, Request]]:
        return [(name, one) for name, one in self.requests.items() if one.end is None]

    def renew(self) -> None:
        for name, one in self.running()[:1]:
            more = one.hold.step * one.price // 1_000_000
            said = self.send(one.lane.renew(name.encode(), one.hold.step, more))
            if said == "renewed":
                one.hold.est_out += one.hold.step
                one.hold.est_money += more

    def end(self) -> None:
        for name, one in self.running()[:1]:
            tokens_in, tokens_out = one.hold.est_in, one.hold.est_out - 7
            cost = cost_of(tokens_in, tokens_out, 0, price_per_million=one.price, cached_percent=25)
            ask = ask_of(one.lane.route, one.lane.grant, request_id=name)
            one.end = ended(ask, tokens_in, tokens_out, cost=cost)

    def tell(self) -> None:
        untold = [one for one in self.requests.values() if one.end and not one.is_told]
        for one in untold[:1]:
            self._tell(one)

    def tell_again(self) -> None:
        for one in [one for one in self.requests.values() if one.is_told][:1]:
            self._tell(one)

    def _tell(self, one: Request) -> None:
        assert one.end is not None
        text = one.lane.text(one.end)
        event(f"told: {self.send(settle_again(json.loads(text), text))[0]}")
        one.is_told = True

    def reap(self) -> None:
        later_us = int((time.time() + LEASE_OVER_S) * 1e6)
        if self.valkey.fcall("xt1_reap", 1, self.tag, 100, later_us):
            event("reaped")

    # ── The consumer, and the loss of everything ───────────────────────────────────────

    def read(self) -> None:
        if not self.batch:
            self.consumer._restoration = intake.latest_restoration()
            self.batch = self.consumer._unfinished() or self.consumer._read(">", 1)
            self.is_committed = False

    def commit(self) -> None:
        if not self.batch:
            return
        try:
            intake.take_in(self.batch, read_after=self.consumer._restoration)
            self.is_committed = True
        except intake.RestoredMeanwhile:
            event("restored between reading and recording")
            self.consumer._untold, self.batch, self.is_committed = self.batch, [], False
            self.consumer._tell_again()

    def acknowledge(self) -> None:
        if self.is_committed:
            self.consumer._acknowledge(self.batch)
            self.batch, self.is_committed = [], False

    def consumer_dies(self) -> None:
        self.consumer = Consumer("one")
        self.batch, self.is_committed = [], False

    def valkey_loses_all(self) -> None:
        self._empty_valkey()
        self._replay()

    def another_restores(self) -> None:
        """Lose everything while this consumer sleeps on what it has read."""
        self.tell()
        self.read()
        self._restore_empty()
        self._replay()

    def _replay(self) -> None:
        measured = UsageRecord.objects.filter(source="measured")
        known = set(measured.values_list("request_id", flat=True))
        for name, one in self.requests.items():
            if one.end is None:
                self.send(one.lane.admit([packed_ask(name.encode(), one.hold, forced=True)]))
            elif name not in known:
                one.is_told = False

    def come_to_rest(self) -> None:
        """Let the gateway die, its journal be replayed, and the consumer catch up."""
        for _ in self.requests:
            self.tell()
        self.reap()
        while True:
            self.read()
            if not self.batch:
                return
            self.commit()
            self.acknowledge()


@examples(
    60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=40))
@pytest.mark.slow  # Dozens of histories, each on a Valkey that is emptied and restored.
def test_every_request_is_charged_once_whatever_dies_between_any_two_writes(
    acme: Project, valkey: redis.Redis, steps: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr("publisher.restore.REPLAY_S", 0)
        platform = Platform(valkey, acme)
        for step in ["admit", *steps]:
            getattr(platform, step)()
        platform.come_to_rest()
        check(platform)
        transaction.set_rollback(True)


def check(platform: Platform) -> None:
    records = {record.request_id: record for record in UsageRecord.objects.all()}
    assert set(records) == set(platform.requests)
    for name, one in platform.requests.items():
        record = records[name]
        charges = LedgerEntry.objects.filter(request_id=name)
        assert -sum(charges.values_list("amount", flat=True)) == record.cost
        assert charges.filter(kind="charge").count() == 1
        if record.source == "measured":
            assert one.end is not None
            assert (record.cost, record.tokens_out) == (one.end.cost, one.end.tokens_out)
        else:
            # The gateway never told of an end.
            assert one.end is None
            assert record.cost <= one.hold.est_money
    account = platform.valkey.hgetall(f"{platform.tag}:p:{platform.project.public_id}")
    entries = LedgerEntry.objects.values_list("amount", flat=True)
    assert int(account["granted"]) - int(account.get("spent", 0)) == sum(entries)
    assert int(account.get("held", 0)) == 0
    assert platform.valkey.zcard(f"{platform.tag}:l:ep_1/free") == 0
    assert not PoisonEvent.objects.exists()
    today = (
        min(r.started_at for r in records.values()),
        max(r.started_at for r in records.values()),
    )
    whole = [moment.replace(hour=0, minute=0, second=0, microsecond=0) for moment in today]
    assert list(reconcile.differences(whole[0], whole[1] + DAY)) == []
