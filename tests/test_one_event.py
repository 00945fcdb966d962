"""A usage event is described once: whoever spells it out says all of it, and nothing else."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

from inference import admission
from inference.admission.commands import Line
from inference.contracts.entries import dump, load
from inference.contracts.events import UsageEvent
from inference.tests.asks import ask_of, ended
from usage import export, rules
from usage.models import UsageRecord

NAMES = [field.name for field in fields(UsageEvent)]
OPTIONAL = {
    name
    for name, parameter in inspect.signature(UsageEvent).parameters.items()
    if parameter.default is not inspect.Parameter.empty
}
OF_THE_WAY = {"kind", "secret_id"}
"""What says how an event is to be booked, and is no column of a record."""
AS_A_ROW = {"project": "project_id", "terms_version": "terms_number"}
NOT_EXPORTED = {"project_id", "endpoint_id"}
BESIDE_THE_JOURNAL = {"void"}


def line() -> Line:
    return Line(ask_of(), None)  # type: ignore[arg-type] # why: nothing is counted here


def test_constructor_takes_every_field_in_its_order() -> None:
    assert list(inspect.signature(UsageEvent).parameters) == NAMES


def test_gateway_writes_all_that_an_event_says() -> None:
    ask = ask_of()
    event = ended(
        ask,
        worker_id='w"1',
        caller_request_id="mine ü",
        ttft_ms=1.5,
        tokens_cached=3,
        cost=7,
        slo_ttft_ms=200.0,
        slo_tpot_ms=20.0,
    )
    written = Line(ask, None).text(event)  # type: ignore[arg-type] # why: nothing is counted here

    assert load(UsageEvent, written) == load(UsageEvent, dump(event))
    assert set(json.loads(written)) | {"kind"} == set(NAMES)


def test_refusal_in_an_outage_says_what_an_event_has_to() -> None:
    said = set(json.loads(line().never_ran(b"req_1")))

    assert said - BESIDE_THE_JOURNAL <= set(NAMES)
    assert set(NAMES) - OPTIONAL <= said


def test_library_says_what_an_event_has_to_of_a_request_whose_gateway_is_gone() -> None:
    functions = (Path(inspect.getfile(admission)).parent / "functions.lua").read_text()
    [body] = re.findall(r"local function orphan_event\(.*?\n(.*?)\nend", functions, re.DOTALL)
    about = set(json.loads(f"{{{line().about}}}"))
    said = set(re.findall(r'"(\w+)":', body)) | about

    assert said <= set(NAMES)
    assert set(NAMES) - OPTIONAL <= said


def test_record_has_a_column_for_all_of_it() -> None:
    wanted = {AS_A_ROW.get(name, name) for name in NAMES} - OF_THE_WAY

    assert set(rules.COLUMNS) == wanted | {"started_at"}
    assert set(rules.COLUMNS) <= {field.attname for field in UsageRecord._meta.concrete_fields}


def test_export_has_all_of_a_record_and_its_currency() -> None:
    assert set(export.FIELDS) == (set(rules.COLUMNS) - NOT_EXPORTED) | {"currency"}
