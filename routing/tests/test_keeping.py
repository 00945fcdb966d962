"""What is kept of decisions: what went wrong, a sample, and for an hour all; each of them once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pytest_django import Settings

from common import clock
from inference.contracts.decide import REASONS
from inference.contracts.records import (
    KEPT,
    MISSED,
    UNREACHABLE,
    Came,
    DecisionRecord,
    record_from,
)
from inference.contracts.snapshot import OUT
from projects.models import Project
from routing import intake, retention, rules
from routing.intake import Entry
from routing.models import DecisionReading, KeptDecision
from routing.rules import CANDIDATES_KEPT, Because, decided_again, why_kept
from tests.decisions import candidate, make_decision, tell, text_of

pytestmark = pytest.mark.django_db
FINE = Came(ending="complete")


def kept() -> list[str]:
    return list(KeptDecision.objects.order_by("pk").values_list("kept_because", flat=True))


@pytest.mark.parametrize(
    ("came", "attempt", "because"),
    [
        pytest.param(replace(FINE, target=MISSED), 0, Because.MISSED, id="missed"),
        pytest.param(replace(FINE, target=UNREACHABLE), 0, Because.MISSED, id="out of reach"),
        pytest.param(FINE, 1, Because.FAILED_OVER, id="second try"),
        pytest.param(Came(ending="worker_broke"), 0, Because.ERROR, id="broke"),
        pytest.param(replace(FINE, target=KEPT), 0, Because.RECENT, id="all well"),
        pytest.param(Came(ending="caller_left"), 0, Because.RECENT, id="caller left"),
    ],
)
def test_what_went_wrong_is_kept_and_says_why(
    acme: Project, came: Came, attempt: int, because: Because
) -> None:
    assert why_kept(make_decision(acme, came=came, attempt=attempt), 0) == because


def test_sample_is_drawn_by_request_so_attempts_stay_together(acme: Project) -> None:
    drawn = [why_kept(make_decision(acme), 20) == Because.SAMPLE for _ in range(2_000)]
    one = make_decision(acme)

    assert 300 < sum(drawn) < 500
    assert why_kept(one, 100) == Because.SAMPLE
    assert {why_kept(replace(one, draw=draw), 20) for draw in range(50)} == {why_kept(one, 20)}


def test_record_is_kept_once_however_often_it_is_told(acme: Project) -> None:
    record = make_decision(acme)

    tell(record, replace(record, attempt=1))
    tell(record)

    row = KeptDecision.objects.get(request_id=record.request_id, attempt=0)
    assert KeptDecision.objects.count() == 2
    assert (row.project, row.worker_id, row.ttft_us) == (acme, record.worker_id, 160_000)
    assert record_from(row.body["record"]) == record


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "{",
        lambda text: "7",
        lambda text: text.replace('"req_', '"req_\\u0000'),
        lambda text: text.replace('"req_', '"req_' + "x" * 60),
        lambda text: text.replace('"chat"', '"\\ud800"'),
        lambda text: text.replace('"target": 0', '"target": 9'),
        lambda text: text.replace('"at": ', '"at": 1e300, "not_at": '),
        lambda text: text.replace('"draw": ', '"draw": "x", "not_draw": '),
        lambda text: text.replace('"ttft_us": 160000', '"ttft_us": "soon"'),
    ],
)
def test_what_nobody_understands_is_counted_and_stops_nothing(
    acme: Project, spoil: Callable[[str], str]
) -> None:
    texts = [spoil(text_of(make_decision(acme))), text_of(make_decision(acme))]
    entries = [Entry(f"{number}-0", text) for number, text in enumerate(texts, 1)]

    intake.read_on(lambda _since: entries)

    place = DecisionReading.objects.get()
    assert (KeptDecision.objects.count(), place.unread, place.entry_id) == (1, 1, "2-0")


def test_decision_of_a_project_nobody_knows_is_let_go(acme: Project) -> None:
    tell(replace(make_decision(acme), project="proj_Nobody"), make_decision(acme))

    assert (KeptDecision.objects.count(), DecisionReading.objects.get().dropped) == (1, 1)


def test_no_more_is_kept_for_an_hour_than_there_is_room_for(
    acme: Project, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.DECISION_SAMPLE = 0
    monkeypatch.setattr(rules, "RECENT_MAX", 2)
    bad = make_decision(acme, came=Came(ending="worker_broke"))

    tell(*(make_decision(acme) for _ in range(5)), bad)

    assert kept() == ["recent", "recent", "error"]
    assert DecisionReading.objects.get().dropped == 3


def test_sweep_leaves_for_days_what_went_wrong_and_for_an_hour_all(
    acme: Project, settings: Settings
) -> None:
    settings.DECISION_SAMPLE, settings.DECISION_DAYS = 0, 14
    now, broke = time.time(), Came(ending="worker_broke")
    for ago in (0, 2 * 3_600, 15 * 86_400):
        tell(make_decision(acme, at=now - ago), make_decision(acme, at=now - ago, came=broke))

    gone = retention.sweep()

    assert (gone, kept()) == (3, ["recent", "error", "error"])
    assert DecisionReading.objects.get().recent == 1


def test_clock_that_is_ahead_keeps_nothing_for_longer(acme: Project) -> None:
    tell(make_decision(acme, at=time.time() + 10**6))

    assert KeptDecision.objects.get().at <= clock.now() + timedelta(seconds=1)


def many(acme: Project) -> DecisionRecord:
    among = [candidate(n, backlog=500 * n) for n in range(30)]
    among += [candidate(n, OUT) for n in range(30, 40)]
    return make_decision(acme, among, ttft_us=400_000, weight=1024)


def test_of_many_candidates_the_best_are_kept_and_the_rest_counted(acme: Project) -> None:
    record = many(acme)
    before = decided_again(record)

    body = rules.kept_of(record)

    left = record_from(body["record"])
    assert left is not None
    assert (len(left.workers), left.worker_id) == (CANDIDATES_KEPT, record.worker_id)
    assert sum(body["beyond"].values()) == 40 - CANDIDATES_KEPT
    after = decided_again(left)
    kept_out = sum(REASONS[one.reason] == "out" for one in after.terms)
    assert body["beyond"].get("out", 0) + kept_out == 10
    by_name = dict(zip(record.workers, before.terms, strict=True))
    for name, terms in zip(left.workers, after.terms, strict=True):
        assert (terms.cost, terms.reason) == (by_name[name].cost, by_name[name].reason)
    total = sum(one.odds for one in after.terms) + body["odds_beyond"]
    assert total == sum(one.odds for one in before.terms)


def test_few_candidates_are_kept_in_their_order_so_the_draw_falls_on_the_same(
    acme: Project,
) -> None:
    for draw in range(200):
        record = make_decision(acme, [candidate(n) for n in range(5)], draw=draw * 7919)
        left = record_from(rules.kept_of(record)["record"])
        assert left is not None
        assert decided_again(left).chosen == record.chosen
