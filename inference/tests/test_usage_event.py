"""A usage event is described once, and everything that writes one is held to that."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import asdict, fields
from typing import Any

from inference.admission.lanes import Lane, Tally
from inference.admission.library import TEXT
from inference.contracts.decisions import Decision
from inference.contracts.entries import dump, load
from inference.contracts.events import ASKED, DECIDED, ENDED, SHARED, UsageEvent
from inference.tests.asks import ask_of, ended

ALWAYS = {"request_id", *SHARED, *ENDED}
NAMES = [field.name for field in fields(UsageEvent)]


def lane_and_event(**asked: Any) -> tuple[Lane, UsageEvent]:
    ask = ask_of()
    return Lane(ask, Tally()), ended(ask, **asked)


def test_every_field_is_in_one_of_the_lists() -> None:
    listed = ["request_id", *SHARED, *ENDED, *ASKED, *DECIDED]

    assert sorted(listed) == sorted(NAMES)


def test_constructor_takes_the_fields_in_their_order() -> None:
    assert list(inspect.signature(UsageEvent).parameters) == NAMES


def test_lane_of_a_gateway_says_the_whole_event() -> None:
    lane, event = lane_and_event(
        caller_request_id='say "x"',
        ttft_ms=1.5,
        slo_ttft_ms=250.0,
        slo_tpot_ms=20.5,
        decision=Decision(1, 2, 3),
    )
    text = lane.text(event)

    assert set(json.loads(text)) == {*ALWAYS, *ASKED, *DECIDED}
    assert asdict(load(UsageEvent, text)) == asdict(load(UsageEvent, dump(event)))


def test_lane_leaves_out_what_the_caller_did_not_say_and_nobody_decided() -> None:
    lane, event = lane_and_event()

    assert set(json.loads(lane.text(event))) == ALWAYS


def test_request_that_never_ran_is_written_with_every_field() -> None:
    lane, event = lane_and_event()

    assert set(json.loads(lane.never_ran(event.request_id.encode()))) == {*ALWAYS, "void"}


def test_estimate_of_the_library_has_every_field() -> None:
    [body] = re.findall(r"function orphan_event\(.*?\n(.*?)\nend", TEXT, re.DOTALL)

    assert set(re.findall(r'"(\w+)":', body)) == {"request_id", *ENDED}
    assert "marker.about" in body  # What is shared comes from the lane that asked.
    assert set(json.loads("{" + lane_and_event()[0].about + "}")) == set(SHARED)
