"""An endpoint's state is what the world makes of it, not what somebody once switched on."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agents import services as agents
from common.actor import SYSTEM
from endpoints import live
from endpoints.models import Endpoint
from endpoints.rules import LIVE_WORDS, Facts, live_of
from endpoints.services import pause_endpoint
from inference.contracts.entries import dump
from ledger.services import top_up
from projects import suspension
from projects.models import Project
from tests.make import make_endpoint, make_event, make_worker
from usage import budgets, intake
from usage import live as usage_live
from usage.intake import Arrived

GOOD: dict[str, Any] = {
    "state": "active",
    "suspension": "",
    "has_worker": True,
    "is_paid": True,
    "is_broke": False,
    "balance": "5.00",
    "spent_budget": "",
    "used_allowance": "",
}
WRONG: dict[str, dict[str, Any]] = {
    "suspended": {"suspension": "Unpaid."},
    "paused": {"state": "paused"},
    "no_worker": {"has_worker": False},
    "no_balance": {"is_broke": True, "balance": "0.00"},
    "over_budget": {"spent_budget": "A budget of 1.00"},
    "allowance_used": {"used_allowance": "This month's 10 tokens are used up."},
}


@pytest.mark.parametrize("word", WRONG)
def test_each_thing_that_stops_an_endpoint_has_its_word_and_what_it_means(word: str) -> None:
    found = live_of(Facts(**{**GOOD, **WRONG[word]}))

    assert found.word == word
    assert found.word in LIVE_WORDS
    assert found.sentence.endswith(".")


def test_what_stops_most_is_named_first() -> None:
    everything = {name: fact for facts in reversed(WRONG.values()) for name, fact in facts.items()}

    assert live_of(Facts(**{**GOOD, **everything})).word == "suspended"
    free = {**GOOD, "is_paid": False, "is_broke": True, "spent_budget": "A budget"}
    assert live_of(Facts(**free)).word == "serving"


def word(endpoint: Endpoint) -> str:
    endpoint.refresh_from_db()
    return live.state_of(endpoint).word


def test_state_follows_machines_money_and_the_operator(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    assert word(endpoint) == "no_worker"

    worker = make_worker()
    assert word(endpoint) == "no_balance"

    top_up(project=acme, amount=1_000_000)
    assert word(endpoint) == "serving"

    budgets.set_budget(
        project=acme,
        scope="endpoint",
        subject_id=endpoint.public_id,
        amount=500,
        is_enforced=True,
    )
    event = make_event(acme, endpoint_id=endpoint.public_id, cost=500)
    intake.take_in([Arrived("s", "1-1", dump(event))])
    assert word(endpoint) == "over_budget"

    pause_endpoint(endpoint=endpoint)
    assert word(endpoint) == "paused"

    suspension.suspend_project(project=acme, reason="Unpaid.", until=None, by=SYSTEM)
    acme.refresh_from_db()
    assert live.states_of(acme, [endpoint])[endpoint.pk].word == "suspended"

    agents.retire_worker(worker=worker)


def test_allowance_of_a_tier_is_counted_and_stops_its_endpoints(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat", tier="free")
    make_worker()
    [before] = usage_live.allowances(project=acme)

    event = make_event(acme, tokens_in=before.limit - 10, tokens_out=4)
    intake.take_in([Arrived("s", "1-1", dump(event))])
    [almost] = usage_live.allowances(project=acme)
    assert (almost.used, almost.percent, almost.is_used) == (before.limit - 6, 99, False)
    assert word(endpoint) == "serving"

    intake.take_in([Arrived("s", "1-2", dump(make_event(acme, tokens_in=6, tokens_out=0)))])
    assert word(endpoint) == "allowance_used"


def test_api_says_what_is_so_beside_what_was_asked_for(as_ada: APIClient, acme: Project) -> None:
    make_endpoint(acme, "chat")
    base = f"/{acme.public_id}/v1/management/endpoints"

    one, many = as_ada.get(f"{base}/chat").json(), as_ada.get(base).json()["data"]

    assert one["state"] == "active"
    assert one["live"]["word"] == "no_worker"
    assert "No machine" in one["live"]["sentence"]
    assert [row["live"] for row in many] == [one["live"]]


def test_endpoint_on_own_machines_stands_as_its_fallback_does_while_they_are_away(
    acme: Project,
) -> None:
    endpoint = make_endpoint(acme, "chat", tier="self_hosted", fallback="gpu_nvidia_shared")
    assert word(endpoint) == "no_worker"

    make_worker()
    assert word(endpoint) == "no_balance"
    top_up(project=acme, amount=1_000_000)
    stands = live.state_of(endpoint)
    assert (stands.word, stands.is_on_fallback) == ("serving", True)
    assert "GPU, NVIDIA" in stands.sentence

    make_worker(project=acme)
    assert live.state_of(endpoint).is_on_fallback is False


def test_endpoint_without_a_machine_in_its_region_says_so(acme: Project) -> None:
    make_worker(region="us")
    endpoint = make_endpoint(acme, "chat", region="eu")

    assert "region “eu”" in live.state_of(endpoint).sentence
