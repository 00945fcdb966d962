"""What a slug may be, what is told of a change, and which limits are in force."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from endpoints import rules
from endpoints.rules import LIMITS, Facts, fault_in_slug, limits_in_force, live_of, slug_from

SLUGS = ["a", "7", "chat", "chat-7b", "a--b", "x" * 63, "v10", "news", "1-2-3"]


@pytest.mark.parametrize("slug", SLUGS)
def test_slug_that_can_stand_in_a_url_for_ever_is_fine(slug: str) -> None:
    assert fault_in_slug(slug) is None
    assert re.match(rules.SLUG, slug)


@pytest.mark.parametrize(
    ("slug", "says"),
    [
        ("", "Give the endpoint a slug."),
        ("x" * 64, "Use at most 63 characters."),
        ("v1", "This word is reserved; choose another."),
        ("new", "This word is reserved; choose another."),
        ("Chat", "Use lower-case letters only."),
        ("ÜBER", "Use lower-case letters only."),
        ("über", "Use only letters a–z, digits and hyphens."),
        ("a_b", "Use only letters a–z, digits and hyphens."),
        ("a b", "Use only letters a–z, digits and hyphens."),
        ("a/b", "Use only letters a–z, digits and hyphens."),
        ("a.b", "Use only letters a–z, digits and hyphens."),
        ("chat\n", "Use only letters a–z, digits and hyphens."),
        ("٣", "Use only letters a–z, digits and hyphens."),
        ("-chat", "Start and end with a letter or a digit."),
        ("chat-", "Start and end with a letter or a digit."),
        ("-", "Start and end with a letter or a digit."),
    ],
)
def test_slug_that_can_not_is_refused_in_words(slug: str, says: str) -> None:
    assert fault_in_slug(slug) == says


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("My Chat Bot", "my-chat-bot"),
        ("  Llama 3.1 (8B)!  ", "llama-3-1-8b"),
        ("Größe", "gr-e"),
        ("名前", ""),
        ("", ""),
        ("---", ""),
        ("V1", ""),
        ("New", ""),
        ("x" * 80, "x" * 63),
        (f"{'x' * 62} yz", "x" * 62),
    ],
)
def test_nearest_slug_to_what_was_typed_is_a_slug_or_nothing(words: str, slug: str) -> None:
    assert slug_from(words) == slug
    assert not slug or fault_in_slug(slug) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"state": "paused"}, [("endpoint.paused", {})]),
        ({"state": "active"}, [("endpoint.resumed", {})]),
        ({"state": "retired"}, [("endpoint.retired", {})]),
        ({"tier": "free"}, [("endpoint.moved_to_tier", {"tier": "free"})]),
        (
            {"tier": "free", "state": "active"},
            [("endpoint.resumed", {}), ("endpoint.moved_to_tier", {"tier": "free"})],
        ),
    ],
)
def test_log_is_told_each_thing_that_changed(
    changes: dict[str, object], told: list[tuple[str, dict[str, object]]]
) -> None:
    assert list(rules.told(changes)) == told


def facts(**said: object) -> Facts:
    fine: dict[str, object] = {
        "state": "active",
        "suspension": "",
        "has_worker": True,
        "is_paid": True,
        "is_broke": False,
        "balance": "$5.00",
        "spent_budget": "",
        "used_allowance": "",
    }
    return Facts(**(fine | said))  # type: ignore[arg-type] # why: the caller names its fields


@pytest.mark.parametrize(
    ("said", "word", "sentence"),
    [
        ({}, "serving", "It answers requests."),
        ({"state": "retired"}, "retired", "It was retired for good."),
        ({"state": "paused"}, "paused", "It is paused: requests are refused."),
        ({"suspension": "Abuse."}, "suspended", "The project is suspended: Abuse."),
        ({"has_worker": False}, "no_worker", "No machine serves its model on its tier now"),
        ({"is_broke": True, "balance": "−$1.00"}, "no_balance", "The balance is −$1.00"),
        ({"spent_budget": "A budget of $9.00"}, "over_budget", "A budget of $9.00 is used up"),
        ({"used_allowance": "All used."}, "allowance_used", "All used."),
    ],
)
def test_endpoint_says_what_stops_it_and_in_which_words(
    said: dict[str, object], word: str, sentence: str
) -> None:
    live = live_of(facts(**said))

    assert live.word == word
    assert live.sentence.startswith(sentence)
    assert word in rules.LIVE_WORDS


@pytest.mark.parametrize("said", [{"is_broke": True}, {"spent_budget": "A budget of $9.00"}])
def test_what_costs_nothing_is_stopped_by_no_money(said: dict[str, object]) -> None:
    assert live_of(facts(is_paid=False, **said)).word == rules.SERVING


def test_what_stops_most_comes_first() -> None:
    worst: dict[str, object] = {
        "state": "retired",
        "suspension": "Abuse.",
        "has_worker": False,
        "is_broke": True,
        "spent_budget": "A budget",
        "used_allowance": "All used.",
    }
    mended: list[dict[str, object]] = [
        {},
        {"state": "paused"},
        {"suspension": ""},
        {"state": "active"},
        {"has_worker": True},
        {"is_broke": False},
        {"spent_budget": ""},
        {"used_allowance": ""},
    ]
    words = []
    for mend in mended:
        worst |= mend
        words.append(live_of(facts(**worst)).word)

    assert words == [
        "retired",
        "suspended",
        "paused",
        "no_worker",
        "no_balance",
        "over_budget",
        "allowance_used",
        "serving",
    ]


def limits(**said: int) -> dict[str, int | None]:
    return dict.fromkeys(LIMITS, None) | said


@pytest.mark.parametrize(
    ("overrides", "in_force"),
    [
        ([], {}),
        ([limits()], {}),
        ([limits(concurrent=5)], {"concurrent": 5}),
        ([limits(concurrent=5), limits(concurrent=7)], {"concurrent": 7}),
        ([limits(concurrent=5), limits()], {"concurrent": 5}),
        (
            [limits(concurrent=5, tokens_per_min=9), limits(concurrent=7)],
            {"concurrent": 7, "tokens_per_min": 9},
        ),
        ([limits(monthly_tokens=0)], {"monthly_tokens": 0}),
    ],
)
def test_last_override_wins_limit_by_limit(
    overrides: list[dict[str, int | None]], in_force: dict[str, int]
) -> None:
    assert limits_in_force(overrides) == in_force


@pytest.mark.parametrize(
    ("said", "ends_at", "sentence"),
    [
        ({"monthly_tokens": 5_000_000}, None, "5,000,000 tokens a month: a launch"),
        (
            {"tokens_per_min": 9, "requests_per_min": 500},
            datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
            "500 requests a minute, 9 tokens a minute until 1 January 2027, 00:00 UTC: a launch",
        ),
        (
            {"idle_timeout_s": 600},
            datetime(2026, 12, 31, 23, 5, tzinfo=UTC),
            "600 seconds of silence in a stream until 31 December 2026, 23:05 UTC: a launch",
        ),
    ],
)
def test_override_is_said_in_a_sentence(
    said: dict[str, int], ends_at: datetime | None, sentence: str
) -> None:
    assert rules.override_said(limits(**said), "a launch", ends_at) == sentence
