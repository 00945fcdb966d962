"""What an endpoint says of its model, under every name of the world."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from inference.body.model_list import models_answer
from inference.gate.address import read_target
from inference.http.problems import Refused
from inference.tests.asks import route_of


def answer(model: str, path: str, **more: Any) -> dict[str, object]:
    route = replace(route_of(), model=model, **more)
    said: dict[str, object] = json.loads(
        models_answer(route, read_target(f"/proj_A/chat/v1/{path}".encode()).rest)
    )
    return said


@pytest.mark.parametrize(
    "path",
    ["models/Org/Name-7B", "models/Org%2FName-7B", "models/org%2fname-7b", "models/Org/Name-7B/"],
)
def test_name_with_a_slash_is_found_raw_and_encoded(path: str) -> None:
    assert answer("Org/Name-7B", path)["id"] == "Org/Name-7B"


@pytest.mark.parametrize("name", ["llama-3.1-8b-instruct", "qwen2.5:7b", "A@b+c_d"])
def test_name_is_as_the_world_writes_it(name: str) -> None:
    assert answer(name, f"models/{name}")["id"] == name


@pytest.mark.parametrize(
    "path",
    ["models/a%2F..%2Fb", "models/..%2fb", "models/a%2F%2Fb", "chat%2Fcompletions", "models%2Fa"],
)
def test_encoded_slashes_are_taken_nowhere_else(path: str) -> None:
    with pytest.raises(Refused):
        answer("a", path)


def test_window_and_capabilities_are_told_where_they_are_known() -> None:
    told = answer("a", "models/a", context_length=2048, capabilities=("chat", "tools"))

    assert (told["context_length"], told["max_model_len"]) == (2048, 2048)
    assert told["meta"] == {"n_ctx": 2048}
    assert told["capabilities"] == ["chat", "tools"]
    assert set(answer("a", "models/a", context_length=None)) == {
        "id",
        "object",
        "created",
        "owned_by",
    }
