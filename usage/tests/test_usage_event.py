"""What a gateway says of a request reaches its record and the export, all of it."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict

import pytest

from inference.contracts.decisions import Decision
from inference.contracts.entries import dump
from projects.models import Project
from tests.make import make_event
from usage import export, intake, rules
from usage.intake import AMEND, Arrived
from usage.models import UsageRecord
from usage.selectors import Filter

OURS = {"project_id", "endpoint_id"}
"""Columns that nobody reads in an export: it is of one project, and names endpoints."""


def test_every_column_is_one_of_the_record() -> None:
    assert set(rules.COLUMNS) == {field.column for field in UsageRecord._meta.concrete_fields}


def test_export_has_every_column_that_readers_may_see() -> None:
    assert set(export.FIELDS) == set(rules.COLUMNS) - OURS | {"currency"}


@pytest.mark.django_db(transaction=True)
def test_truth_replaces_an_estimate_and_brings_what_its_caller_said(acme: Project) -> None:
    lost = make_event(acme, ending="gateway_lost", source="estimated", status=0, tokens_out=90)
    said = {"caller_request_id": "mine", "slo_ttft_ms": 250.0, "slo_tpot_ms": 20.5}
    decision = Decision(tried=1, candidates=2, in_flight=3)
    decision.predict(ttft_ms=120, hit_tokens=64, target=1)
    truth = make_event(acme, request_id=lost.request_id, decision=decision, **said)

    intake.take_in([Arrived("s", "1-1", dump(lost))])
    intake.take_in([Arrived("s", "1-2", dump(truth), AMEND)])

    record = UsageRecord.objects.get()
    assert record.ending == "complete"
    assert {name: getattr(record, name) for name in said} == said
    assert record.decision == asdict(decision)


@pytest.mark.django_db(transaction=True)
def test_decision_is_kept_and_exported_and_none_where_no_worker_was_asked(acme: Project) -> None:
    decided = make_event(acme, decision=Decision(tried=0, candidates=4, in_flight=2))
    undecided = make_event(acme)

    intake.take_in([Arrived("s", f"1-{n}", dump(e)) for n, e in enumerate((decided, undecided))])

    kept = {row.request_id: row.decision for row in UsageRecord.objects.all()}
    lines = "".join(export.csv_lines(project=acme, wanted=Filter())).splitlines()
    cells = {row["request_id"]: row["decision"] for row in csv.DictReader(lines)}
    assert kept == {
        decided.request_id: {
            "tried": 0,
            "candidates": 4,
            "in_flight": 2,
            "fallback": 0,
            "hops": 0,
        },
        undecided.request_id: None,
    }
    assert json.loads(cells[decided.request_id]) == kept[decided.request_id]
    assert cells[undecided.request_id] == ""
