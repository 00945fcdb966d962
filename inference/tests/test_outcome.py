"""What became of a request: nothing until it is closed, then what was given and what it costs."""

from __future__ import annotations

import pytest

from inference.body.claims import ABSENT, ESTIMATED, MEASURED, NOTHING, Bounds, Seen
from inference.body.tokens import Usage
from inference.contracts.decisions import Decision
from inference.http.fields import NO_SLO, Names, Slo
from inference.http.ids import request_id
from inference.telemetry.outcome import Outcome
from inference.tests.asks import route_of, terms_of

BEGAN = 100.0


def new() -> Outcome:
    return Outcome(Names(request_id(1_800_000_000.0), "mine"), began_at=BEGAN)


def seen_of(claim: Usage | None = None, *, pieces: int = 4) -> Seen:
    seen = Seen()
    seen.is_given = seen.is_accepted = True
    seen.pieces, seen.text_bytes, seen.claim = pieces, 16, claim
    return seen


def test_nothing_is_known_before_the_end() -> None:
    outcome = new()

    assert (outcome.status, outcome.secret_id, outcome.prompt_bytes) == (0, 0, 0)
    assert (outcome.ended_at, outcome.latency_ms, outcome.ttft_ms) == (0.0, 0.0, None)
    assert (outcome.source, outcome.tokens, outcome.slo) == (ABSENT, NOTHING, NO_SLO)
    assert (outcome.streamed, outcome.is_doubted) == (False, False)


def test_times_are_thousandths_of_milliseconds_from_its_head() -> None:
    outcome = new()
    outcome.first_at = BEGAN + 0.0123456

    outcome.close(200, "", "complete", BEGAN + 1.0000004)

    assert (outcome.ttft_ms, outcome.latency_ms) == (12.346, 1000.0)
    assert outcome.ended_at == BEGAN + 1.0000004


def test_end_without_an_answer_has_no_first_token_and_no_tokens() -> None:
    outcome = new()

    outcome.close(503, "capacity_exceeded", "worker_broke", BEGAN + 1)

    assert (outcome.status, outcome.code, outcome.ending) == (
        503,
        "capacity_exceeded",
        "worker_broke",
    )
    assert (outcome.ttft_ms, outcome.source, outcome.tokens) == (None, ABSENT, NOTHING)


@pytest.mark.parametrize(("has_seen", "has_bounds"), [(True, False), (False, True)])
def test_answer_is_charged_only_within_bounds(has_seen: bool, has_bounds: bool) -> None:
    outcome = new()
    outcome.seen = seen_of(Usage(10, 4)) if has_seen else None
    outcome.bounds = Bounds(10) if has_bounds else None

    outcome.close(200, "", "complete", BEGAN + 1)

    assert (outcome.source, outcome.tokens) == (ABSENT, NOTHING)


def test_claim_that_can_be_so_is_measured_and_any_other_is_doubted() -> None:
    for claim, source, is_doubted in ((Usage(10, 4), MEASURED, False), (None, ESTIMATED, False)):
        outcome = new()
        outcome.seen, outcome.bounds = seen_of(claim), Bounds(10)
        outcome.close(200, "", "complete", BEGAN + 1)
        assert (outcome.source, outcome.is_doubted) == (source, is_doubted)
    outcome = new()
    outcome.seen, outcome.bounds = seen_of(Usage(10, 10**6)), Bounds(10, limit=5)
    outcome.close(200, "", "complete", BEGAN + 1)
    assert (outcome.source, outcome.is_doubted) == (ESTIMATED, True)


@pytest.mark.parametrize(("ending", "source"), [("complete", ABSENT), ("caller_left", ESTIMATED)])
def test_prompt_of_a_caller_who_left_before_the_answer_was_read_all_the_same(
    ending: str, source: str
) -> None:
    outcome = new()
    seen = Seen()
    seen.is_accepted = True
    outcome.seen, outcome.bounds = seen, Bounds(10)

    outcome.close(200, "", ending, BEGAN + 1)

    assert outcome.source == source


@pytest.mark.parametrize(
    ("cached", "percent", "cost"), [(None, 50, 28), (0, 50, 28), (8, 50, 20), (8, 100, 28)]
)
def test_event_says_what_was_used_and_what_it_costs(
    cached: int | None, percent: int, cost: int
) -> None:
    route = route_of(terms_of(price_per_million=2_000_000, cached_percent=percent))
    outcome = new()
    outcome.route = route
    outcome.key_id, outcome.worker_id, outcome.secret_id = "key_1", "wrk_1", 3
    outcome.operation, outcome.slo = "chat/completions", Slo(250.0, 20.0)
    outcome.decision = Decision(1, 2, 3)
    outcome.seen, outcome.bounds = seen_of(Usage(10, 4, cached)), Bounds(10)
    outcome.close(200, "", "complete", BEGAN + 1)

    event = outcome.event()

    assert (event.tokens_in, event.tokens_out, event.tokens_cached) == (10, 4, cached or 0)
    assert (event.cost, event.source, event.status, event.ending) == (
        cost,
        MEASURED,
        200,
        "complete",
    )
    assert (event.project, event.endpoint, event.model) == ("proj_a", "chat", "small")
    assert (event.key_id, event.worker_id, event.secret_id) == ("key_1", "wrk_1", 3)
    assert (event.caller_request_id, event.slo_ttft_ms, event.slo_tpot_ms) == ("mine", 250.0, 20.0)
    assert event.decision == Decision(1, 2, 3)
