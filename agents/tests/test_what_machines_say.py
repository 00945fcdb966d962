"""What a machine says of itself, cut to what we keep: whatever it says, nothing breaks."""

from __future__ import annotations

import math
from typing import Any

import pytest

from agents import rules
from agents.reports import lasting, misplaced_models, offered, unknown_models

TASKS = {"llama-8b": "generate", "Qwen/Qwen2.5-7B": "generate"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a", "a"),
        ("", ""),
        ("x" * 300, "x" * rules.TEXT_MAX),
        ("a\0b", "ab"),
        (None, ""),
        (7, ""),
        (["a"], ""),
        (b"a", ""),
    ],
)
def test_text_of_a_machine_is_a_text_or_nothing(said: object, kept: str) -> None:
    assert rules.text(said) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (1, 1),
        (rules.COUNT_MAX, rules.COUNT_MAX),
        (rules.COUNT_MAX + 1, None),
        (0, None),
        (-1, None),
        (True, None),
        (1.0, None),
        ("1", None),
        (math.nan, None),
        (None, None),
    ],
)
def test_count_of_a_machine_counts_something_or_is_none(said: object, kept: int | None) -> None:
    assert rules.count(said) == kept


@pytest.mark.parametrize(
    "facts",
    [
        {"a": "\0"},
        {"a": math.nan},
        {"a": math.inf},
        {"a": "x" * rules.FACTS_MAX_BYTES},
        {"a": {1, 2}},
        {"a": b"x"},
    ],
    ids=["nul", "nan", "infinity", "long", "set", "bytes"],
)
def test_facts_that_are_no_plain_json_are_told_so(facts: dict[str, Any]) -> None:
    fault = rules.fault_in_facts(facts)

    assert fault is not None
    assert fault.endswith(".")


def test_facts_that_can_be_kept_have_no_fault() -> None:
    assert rules.fault_in_facts({}) is None
    assert rules.fault_in_facts({"cpus": 8, "accelerators": [{"kind": "cuda"}]}) is None


def test_what_lasts_of_a_report_is_no_load() -> None:
    model = {"name": "llama-8b", "status": "ready", "running": 3, "progress": 0.5, "context": 4096}
    model |= {"size_bytes": 8 * 10**9, "operations": ["dance", "completions"]}
    state = {
        "models": [model],
        "running": 3,
        "waiting": 1,
        "kv": 0.5,
        "tokens_per_s": 9.0,
        "seq": 7,
    }

    kept = lasting(state)

    assert lasting({**state, "running": 9, "seq": 8, "kv": 0.9}) == kept
    assert kept["models"] == [
        {
            "name": "llama-8b",
            "status": "ready",
            "reason": "",
            "task": "",
            "context": 4096,
            "size_bytes": 8 * 10**9,
            "operations": ["completions"],
        }
    ]
    assert lasting({**state, "drain": True}) != kept


def test_state_of_nothing_is_kept_in_the_one_form() -> None:
    nothing = {"kind": "", "version": "", "quirks": ""}

    assert lasting({}) == {
        "models": [], "engine": nothing, "xim": "", "slots": None, "drain": False
    }  # fmt: skip
    assert lasting({"drain": "yes", "engine": "vllm", "models": {}}) == lasting({})


@pytest.mark.parametrize(
    ("said", "served"),
    [
        ({"status": "ready"}, True),
        ({"status": "sleeping"}, True),
        ({"status": "loading"}, False),
        ({"status": "Ready"}, False),
        ({}, False),
    ],
)
def test_model_is_offered_when_it_could_answer(said: dict[str, str], served: bool) -> None:
    assert bool(offered({"models": [{"name": "LLAMA-8B", **said}]}, TASKS)) is served


@pytest.mark.parametrize(
    ("said", "operations", "task"),
    [
        ({"operations": ["embeddings"]}, ["embeddings"], "embed"),
        ({"task": "embed"}, ["embeddings"], "embed"),
        ({"task": "score"}, ["rerank", "score"], "score"),
        ({"task": "dance"}, ["chat/completions", "completions"], "generate"),
        ({"operations": ["dance"], "task": "embed"}, ["embeddings"], "embed"),
        ({"operations": "embeddings"}, ["chat/completions", "completions"], "generate"),
    ],
)
def test_operations_are_what_a_machine_says_or_what_its_task_has(
    said: dict[str, object], operations: list[str], task: str
) -> None:
    model = {"name": "llama-8b", "status": "ready", **said}

    [one] = offered({"models": [model]}, {"llama-8b": task})

    assert list(one.operations) == operations
    assert (one.model_name, one.served_name) == ("llama-8b", "llama-8b")


def test_same_model_twice_is_one_worker_and_the_first_word_counts() -> None:
    twice = [{"name": "llama-8b", "status": "ready", "context": size} for size in (1, 2)]

    [one] = offered({"models": twice}, TASKS)

    assert one.context_length == 1


def test_unknown_models_are_named_as_the_machine_names_them() -> None:
    state = {"models": [{"name": "qwen/QWEN2.5-7b"}, {"name": "Mystery"}, {"name": 7}]}

    assert unknown_models(state, TASKS) == ["Mystery"]


def test_model_that_a_machine_has_for_something_else_is_named_and_not_offered() -> None:
    models = [
        {"name": "LLAMA-8B", "status": "ready", "task": "embed"},
        {"name": "qwen/qwen2.5-7b", "status": "ready"},
        {"name": "mystery", "status": "ready", "task": "embed"},
    ]

    assert misplaced_models({"models": models}, TASKS) == {"LLAMA-8B": "generate"}
    assert [one.model_name for one in offered({"models": models}, TASKS)] == ["Qwen/Qwen2.5-7B"]
