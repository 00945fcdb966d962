"""Rows as pages show them: the right word and tone for each state, and never a stranger's name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from audit.models import AuditEntry
from catalog.models import CatalogModel
from dashboard.catalog.cards import model_card, tier_card
from dashboard.keys.rows import secret_row
from dashboard.money.rows import BudgetRow
from dashboard.project.audit import entry_row
from dashboard.usage.refusals import Refused, refused_of, refused_row, word_of
from dashboard.usage.rows import outcome_of, record_row
from projects.models import Project
from usage.models import RefusedCall, UsageRecord
from usage.refused import Count

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "ending", "tone", "word"),
    [
        (200, "complete", "good", "200"),
        (399, "complete", "good", "399"),
        (400, "complete", "bad", "400"),
        (502, "complete", "bad", "502"),
        (200, "caller_left", "", "left early"),
        (499, "caller_left", "", "left early"),
        (200, "worker_broke", "bad", "worker broke"),
        (504, "timeout", "bad", "timed out"),
        (429, "refused", "bad", "refused"),
        (200, "gateway_lost", "bad", "gateway lost"),
        (200, "something_new", "bad", "200"),
    ],
)
def test_outcome_is_a_word_and_bad_only_where_the_caller_was_failed(
    status: int, ending: str, tone: str, word: str
) -> None:
    outcome = outcome_of(status, ending)

    assert (outcome.tone, outcome.word) == (tone, word)


def record(**said: Any) -> UsageRecord:
    usual: dict[str, Any] = {
        "request_id": "req_1",
        "key_id": "key_a",
        "endpoint": "chat",
        "status": 200,
        "ending": "complete",
        "streamed": True,
        "ttft_ms": 20.5,
        "latency_ms": 100.0,
        "started_at": NOW,
        "cost": 7,
    }
    return UsageRecord(**(usual | said))


def test_record_names_the_projects_keys_and_keeps_the_id_of_others() -> None:
    project = Project(public_id="proj_a")

    assert record_row(project, record(), {"key_a": "ci"}).key == "ci"
    assert record_row(project, record(key_id="key_x"), {"key_a": "ci"}).key == "key_x"
    assert record_row(project, record(), {}).url == "/dashboard/proj_a/usage/req_1/"


@pytest.mark.parametrize(("streamed", "shown"), [(True, 20.5), (False, None)])
def test_time_to_first_token_is_shown_of_streams_only(
    *, streamed: bool, shown: float | None
) -> None:
    assert record_row(Project(public_id="p"), record(streamed=streamed), {}).ttft_ms == shown


def budget(**said: Any) -> BudgetRow:
    usual: dict[str, Any] = {
        "public_id": "bud_a",
        "subject": "Key ci",
        "amount": 100,
        "spent": 0,
        "percent": 0,
        "reached": 0,
        "is_enforced": False,
        "url": "",
    }
    return BudgetRow(**(usual | said))


@pytest.mark.parametrize(
    ("reached", "tone"),
    [(0, ""), (50, "info"), (75, "warning"), (90, "warning"), (100, "error")],
)
def test_budget_is_told_more_urgently_the_fuller_it_is(reached: int, tone: str) -> None:
    assert budget(reached=reached).tone == tone


@pytest.mark.parametrize(("percent", "bar"), [(0, 0), (99, 99), (100, 100), (350, 100)])
def test_bar_is_never_longer_than_whole(percent: int, bar: int) -> None:
    assert budget(percent=percent).bar == bar


@pytest.mark.parametrize(
    ("percent", "is_enforced", "is_shut"),
    [(99, True, False), (100, True, True), (350, True, True), (350, False, False)],
)
def test_only_a_full_budget_that_is_enforced_refuses(
    percent: int, *, is_enforced: bool, is_shut: bool
) -> None:
    assert budget(percent=percent, is_enforced=is_enforced).is_shut is is_shut


def secret(ends_at: datetime | None, *, is_live: bool) -> Any:
    return SimpleNamespace(
        hint="xero_acme_Ab3…",
        issued_at=NOW - DAY,
        ends_at=ends_at,
        last_used_at=None,
        is_live=lambda _moment: is_live,
    )


@pytest.mark.parametrize(
    ("ends_at", "is_live", "tone", "word"),
    [
        (None, True, "good", "current"),
        (NOW + DAY, True, "warning", "ending"),
        (NOW - DAY, False, "", "ended"),
        (None, False, "", "ended"),
    ],
)
def test_secret_is_current_ending_or_ended(
    ends_at: datetime | None, tone: str, word: str, *, is_live: bool
) -> None:
    row = secret_row(secret(ends_at, is_live=is_live), NOW)

    assert (row.state.tone, row.state.word) == (tone, word)
    assert row.is_old is (ends_at is not None)


def entry(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    return entry_row(AuditEntry(before=before, after=after, at=NOW)).changes


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, ()),
        ({}, {"name": "ci"}, ("name: ci",)),
        ({"name": "old"}, {"name": "new"}, ("name: old → new",)),
        ({"role": "admin"}, {}, ("role: admin",)),
        ({}, {"expires_at": None, "ip_allow": [], "note": ""}, ()),
        ({"expires_at": None}, {"expires_at": None}, ("expires at: none → none",)),
        ({"ip_allow": ["10.0.0.1"]}, {"ip_allow": []}, ("ip allow: 10.0.0.1 → none",)),
        ({}, {"scopes": ["inference", "management"]}, ("scopes: inference, management",)),
        ({}, {"amount": 2_500_000}, ("amount: $2.50",)),
        ({"amount": 0}, {"amount": -2_500_000}, ("amount: $0.00 → −$2.50",)),
        ({}, {"amount": "much"}, ("amount: much",)),
        ({}, {"is_enforced": True}, ("is enforced: yes",)),
        ({"is_enforced": True}, {"is_enforced": False}, ("is enforced: yes → no",)),
        ({}, {"count": 0}, ("count: 0",)),
        (
            {},
            {"expires_at": "2026-12-31T23:59:59.999999+00:00"},
            ("expires at: 31 Dec 2026, 23:59 UTC",),
        ),
        (
            {},
            {"delete_after": "2026-05-01T00:00:00+00:00"},
            ("delete after: 1 May 2026, 00:00 UTC",),
        ),
        ({}, {"expires_at": "soon"}, ("expires at: soon",)),
        ({}, {"name": "2026-05-01T00:00:00+00:00"}, ("name: 2026-05-01T00:00:00+00:00",)),
        ({"b": 1}, {"a": 2, "b": 3}, ("b: 1 → 3", "a: 2")),
    ],
)
def test_change_is_said_for_people(
    before: dict[str, Any], after: dict[str, Any], said: tuple[str, ...]
) -> None:
    assert entry(before, after) == said


def test_refusals_are_summed_and_said_in_a_line() -> None:
    found = refused_of(
        [Count("rate_limit_exceeded", 1200), Count("ip_not_allowed", 4), Count("odd_code", 2)]
    )

    assert found.total == 1206
    assert found.sentence == "1,206 refused: 1,200 rate limit, 4 address, 2 odd code"
    assert [cause.advice.split()[0] for cause in found.causes] == ["Send", "Add", "The"]
    assert refused_of([]) == Refused(0, ())


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("insufficient_balance", "no balance"),
        ("budget_exceeded", "budget"),
        ("cross_project_access", "other project"),
        ("never_heard_of", "never heard of"),
    ],
)
def test_code_is_a_word_or_two(code: str, word: str) -> None:
    assert word_of(code) == word


def test_refused_request_names_the_projects_key_and_keeps_the_id_of_others() -> None:
    call = RefusedCall(request_id="req_1", key_id="key_a", code="x", status=429, at=NOW)

    assert refused_row(call, {"key_a": "ci"}).key == "ci"
    assert refused_row(call, {"key_b": "other"}).key == "key_a"


def terms(days: int, **said: Any) -> Any:
    usual: dict[str, Any] = {
        "effective_from": NOW + days * DAY,
        "price_per_million": 0,
        "price_per_agent_hour": 0,
        "tokens_per_min": None,
        "requests_per_min": None,
        "monthly_tokens": None,
        "concurrent": 1,
    }
    return SimpleNamespace(**(usual | said))


def tier(*of: Any) -> Any:
    rows = sorted(of, key=lambda row: row.effective_from, reverse=True)
    return SimpleNamespace(
        slug="free",
        name="Free",
        summary="",
        is_preemptible=True,
        terms=SimpleNamespace(all=lambda: rows),
    )


def test_tier_is_shown_on_the_terms_in_force_now_and_not_on_those_to_come() -> None:
    shown = tier_card(
        tier(
            terms(-9, price_per_million=1),
            terms(-1, price_per_million=2),
            terms(1, price_per_million=3),
        ),
        NOW,
    )

    assert shown.price_per_million == 2
    assert tier_card(tier(terms(0, concurrent=7)), NOW).concurrent == 7


def test_tier_without_a_limit_of_requests_has_none_at_once_either() -> None:
    assert tier_card(tier(terms(-1)), NOW).requests_at_once is None
    assert (tier_card(tier(terms(-1, requests_per_min=60)), NOW).requests_at_once or 0) > 0
    assert tier_card(tier(terms(-1)), NOW, "No machine.").reason == "No machine."


@pytest.mark.parametrize(
    ("task", "label"),
    [("generate", "Text generation"), ("embed", "Embeddings"), ("score", "Scoring")],
)
def test_model_is_shown_with_its_task_in_words(task: str, label: str) -> None:
    model = CatalogModel(name="m", task=task, formats=["gguf"], capabilities=["chat"])

    card = model_card(model, machines=0)

    assert (card.task_label, card.formats, card.capabilities) == (label, ("gguf",), ("chat",))
    assert card.machines == 0
    assert model_card(model).machines is None
