"""When a machine need not be looked at again: only while nothing that decides is another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.settled import Settled, Standing, steady
from inference.contracts.agents import LinkReport

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
STANDING = Standing(
    public_id="agt_1",
    state="active",
    version=3,
    is_linked=True,
    is_dead=False,
    seen_at=NOW,
    enrolled_at=NOW,
    said="digest",
    facts="digest",
    workers=1,
    told=4,
)
MODEL = {"name": "m", "status": "ready", "running": 0, "progress": None, "context": 4096}
STATE: dict[str, Any] = {
    "seq": 1,
    "slots": 4,
    "running": 0,
    "waiting": 0,
    "kv": 0.1,
    "tokens_per_s": 9.0,
    "drain": False,
    "models": [MODEL],
}
NAMES = frozenset(("m",))


def report(state: dict[str, Any] = STATE, **said: Any) -> LinkReport:
    return LinkReport("gw", 0.0, 1.0, 0, state, **said)


@pytest.fixture
def settled() -> Settled:
    made = Settled()
    made.note(STANDING, report(), NAMES)
    return made


def test_machine_nobody_looked_at_needs_a_look() -> None:
    assert not Settled().has(STANDING, report(), NAMES)


@pytest.mark.parametrize(
    "passing",
    [
        {"seq": 2},
        {"running": 3, "waiting": 1, "kv": None, "tokens_per_s": 0.0},
        {"models": [{**MODEL, "running": 3, "progress": 0.5}]},
    ],
    ids=["a beat", "its load", "a model's load"],
)
def test_what_changes_with_every_beat_needs_no_look(
    settled: Settled, passing: dict[str, Any]
) -> None:
    assert settled.has(STANDING, report({**STATE, **passing}), NAMES)
    assert settled.has(STANDING, LinkReport("other", 5.0, 9.0, 3, STATE), NAMES)


def test_when_it_was_seen_needs_no_look(settled: Settled) -> None:
    assert settled.has(STANDING._replace(seen_at=NOW + timedelta(seconds=15)), report(), NAMES)


@pytest.mark.parametrize(
    "said",
    [
        {"drain": True},
        {"slots": 8},
        {"engine": {"kind": "vllm"}},
        {"models": []},
        {"models": [{**MODEL, "status": "failed"}]},
        {"models": [{**MODEL, "operations": ["embeddings"]}]},
        {"models": [MODEL, "nonsense"]},
        {"models": "nonsense"},
    ],
    ids=["drain", "slots", "engine", "none", "status", "operations", "odd model", "no list"],
)
def test_word_that_is_another_needs_a_look(settled: Settled, said: dict[str, Any]) -> None:
    assert not settled.has(STANDING, report({**STATE, **said}), NAMES)


@pytest.mark.parametrize(
    "row",
    [
        {"state": "suspended"},
        {"version": 4},
        {"is_linked": False},
        {"is_dead": True},
        {"said": "other"},
        {"facts": "other"},
        {"workers": 2},
        {"told": 5},
    ],
    ids=lambda row: next(iter(row)),
)
def test_row_that_is_another_needs_a_look(settled: Settled, row: dict[str, Any]) -> None:
    assert not settled.has(STANDING._replace(**row), report(), NAMES)


def test_facts_and_catalog_that_are_another_need_a_look(settled: Settled) -> None:
    assert not settled.has(STANDING, report(facts={"cpus": 2}), NAMES)
    assert not settled.has(STANDING, report(), NAMES | {"n"})


def test_machine_that_is_no_more_is_forgotten_and_others_are_not(settled: Settled) -> None:
    other = STANDING._replace(public_id="agt_2")
    settled.note(other, report(), NAMES)

    settled.forget_others({"agt_2"})

    assert not settled.has(STANDING, report(), NAMES)
    assert settled.has(other, report(), NAMES)


@pytest.mark.parametrize("models", [None, 7, "x", [None, 7, "x", []]])
def test_state_may_be_anything(models: Any) -> None:
    assert steady({"models": models})["models"] == models
