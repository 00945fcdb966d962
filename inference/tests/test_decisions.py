"""Facts of a decision: what is described is what is written, and read again across versions."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

from inference.contracts.decisions import FACTS, Decision
from inference.contracts.entries import dump, load
from inference.contracts.events import UsageEvent
from inference.tests.asks import ask_of, ended

EVENT = ended(ask_of(), decision=Decision(tried=1, candidates=3, in_flight=7))


def test_every_fact_is_described_and_written() -> None:
    decision = Decision(*range(len(FACTS)))

    assert list(FACTS) == [field.name for field in fields(Decision)]
    assert json.loads(decision.text()) == asdict(decision)
    assert list(asdict(decision).values()) == list(range(len(FACTS)))


def test_event_brings_the_decision_of_its_request() -> None:
    assert load(UsageEvent, dump(EVENT)).decision == EVENT.decision


def test_fact_that_a_newer_gateway_knows_is_dropped_and_one_that_an_older_does_not_is_nothing() -> (
    None
):
    raw = json.loads(dump(EVENT))
    raw["decision"] = {"tried": 2, "unheard_of": 9}

    assert load(UsageEvent, json.dumps(raw)).decision == Decision(tried=2)


def test_event_without_a_decision_or_with_nonsense_for_one_is_charged_all_the_same() -> None:
    raw = json.loads(dump(EVENT))
    before = {name: value for name, value in raw.items() if name != "decision"}

    for text in (json.dumps(before), json.dumps({**raw, "decision": [1]})):
        event = load(UsageEvent, text)
        assert event.decision is None
        assert event.cost == EVENT.cost
