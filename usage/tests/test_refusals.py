"""What gateways refused is counted once, found again by its id, and shown to its owner alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from common import clock
from inference.contracts.entries import dump
from inference.contracts.tallies import RefusalBatch, RefusedRequest, Tally
from projects.models import Project
from tests.make import make_event, make_key, request_id
from usage import intake, refusals, refused
from usage.intake import Arrived
from usage.models import RefusalRollup, RefusedCall
from usage.rules import REFUSED_KEPT
from usage.selectors import Filter

pytestmark = pytest.mark.django_db


def minute() -> int:
    return int(time.time()) // 60 * 60


def tally(project: Project, count: int = 1, code: str = "rate_limit_exceeded") -> Tally:
    return Tally(minute(), project.public_id, "chat", "key_a", code, count)


def call(project: Project, code: str = "rate_limit_exceeded", **said: object) -> RefusedRequest:
    one = RefusedRequest(
        request_id=request_id(),
        caller_request_id="",
        at=time.time(),
        project=project.public_id,
        endpoint="chat",
        key_id="key_a",
        operation="chat/completions",
        code=code,
        status=429,
        message="Too many.",
    )
    return replace(one, **said)  # type: ignore[arg-type] # why: the caller names its fields


def batch(
    batch_id: str, tallies: Sequence[Tally] = (), calls: Sequence[RefusedRequest] = ()
) -> str:
    return RefusalBatch(batch_id, tuple(tallies), tuple(calls)).text()


def counted(project: Project) -> dict[str, int]:
    found = refused.counts(project=project, wanted=Filter(since=clock.now() - timedelta(hours=1)))
    return {one.code: one.count for one in found}


@pytest.fixture
def caller(acme: Project) -> APIClient:
    return APIClient(headers={"authorization": f"Bearer {make_key(acme).secret}"})


def test_batches_add_up_and_a_repeated_one_changes_nothing(acme: Project) -> None:
    first = batch("a", [tally(acme, 3), tally(acme, 2, "ip_not_allowed")], [call(acme)])

    assert [refusals.take_in(text) for text in (first, first, batch("b", [tally(acme, 4)]))] == [
        True,
        False,
        True,
    ]

    assert counted(acme) == {"rate_limit_exceeded": 7, "ip_not_allowed": 2}
    assert RefusalRollup.objects.filter(code="rate_limit_exceeded").count() == 3
    assert RefusedCall.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"batch_id":"x"}', '{"batch_id":"x","tallies":[{}],"requests":[]}'],
)
def test_batch_nobody_understands_is_dropped_and_stops_nothing(text: str) -> None:
    assert not refusals.take_in(text)


def test_refusals_of_a_project_nobody_knows_are_let_go(acme: Project) -> None:
    stranger = Tally(minute(), "proj_Nobody", "", "", "invalid_api_key", 9)

    assert refusals.take_in(batch("a", [stranger, tally(acme)]))
    assert RefusalRollup.objects.filter(project=acme).count() == RefusalRollup.objects.count() == 3


def test_last_requests_of_a_code_are_kept_and_no_flood_pushes_out_another(acme: Project) -> None:
    old = call(acme, "ip_not_allowed", at=time.time() - 3600)
    flood = [call(acme, at=time.time() + n / 1000) for n in range(REFUSED_KEPT + 30)]

    refusals.take_in(batch("a", [], [old]))
    refusals.take_in(batch("b", [], flood))

    kept = set(RefusedCall.objects.values_list("request_id", flat=True))
    assert kept == {old.request_id, *(one.request_id for one in flood[30:])}


def test_old_refusals_are_forgotten_but_their_days_stay(acme: Project) -> None:
    long_ago = int(time.time()) - 500 * 86_400
    tallies = [Tally(long_ago, acme.public_id, "chat", "", "quota_exceeded", 5)]
    refusals.take_in(batch("a", tallies, [call(acme, at=float(long_ago))]))

    refusals.forget_old()

    assert [row.grain for row in RefusalRollup.objects.all()] == ["day"]
    assert not RefusedCall.objects.exists()


# ── The API ────────────────────────────────────────────────────────────────────────────


def test_counts_series_and_last_requests_narrow_by_code(caller: APIClient, acme: Project) -> None:
    calls = [call(acme), call(acme, "ip_not_allowed", message="Not from here.")]
    refusals.take_in(batch("a", [tally(acme, 6), tally(acme, 2, "ip_not_allowed")], calls))
    url = f"/{acme.public_id}/v1/usage/refusals"

    whole = caller.get(url, {"step": "minute"}).json()
    some = caller.get(url, {"code": "ip_not_allowed", "endpoint": "chat"}).json()

    assert whole["counts"] == [
        {"code": "rate_limit_exceeded", "count": 6},
        {"code": "ip_not_allowed", "count": 2},
    ]
    at = datetime.fromtimestamp(minute(), UTC).isoformat().replace("+00:00", "Z")
    assert {point["at"] for point in whole["data"]} <= {at}
    assert [one["message"] for one in some["latest"]] == ["Not from here."]
    assert caller.get(url, {"key_id": "key_other"}).json()["counts"] == []
    assert caller.get(url, {"nonsense": "1"}).status_code == 400


@pytest.mark.parametrize("by", ["ours", "callers"])
def test_request_is_found_by_either_id_admitted_or_refused(
    caller: APIClient, acme: Project, rival: Project, by: str
) -> None:
    event = make_event(acme, caller_request_id="mine-1")
    theirs = make_event(rival, caller_request_id="mine-1")
    intake.take_in([Arrived("s", "1-1", dump(event)), Arrived("s", "1-2", dump(theirs))])
    no = call(acme, caller_request_id="mine-2")
    refusals.take_in(batch("a", [], [no, call(rival, caller_request_id="mine-2")]))
    names = (event.request_id, no.request_id) if by == "ours" else ("mine-1", "mine-2")
    base = f"/{acme.public_id}/v1/usage/requests"

    admitted, refusal = (caller.get(f"{base}/{name}").json() for name in names)

    assert [one["id"] for one in admitted["records"]] == [event.request_id]
    assert [one["id"] for one in refusal["refusals"]] == [no.request_id]
    assert (admitted["refusals"], refusal["records"]) == ([], [])


def test_strangers_request_is_as_unknown_as_none(
    caller: APIClient, acme: Project, rival: Project
) -> None:
    theirs = call(rival)
    refusals.take_in(batch("a", [], [theirs]))
    base = f"/{acme.public_id}/v1/usage/requests"

    answers = [caller.get(f"{base}/{name}") for name in (theirs.request_id, "req_none", "-")]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"]["code"] for answer in answers} == {"request_not_found"}
