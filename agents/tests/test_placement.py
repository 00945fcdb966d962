"""Which machine serves which endpoint: the whole table, from plain values."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from agents.placement import (
    OBSTACLES,
    Served,
    Wish,
    accelerators_of,
    fitting_tiers,
    nearest,
    obstacle,
    speaks,
)

ACME, RIVAL = 1, 2
CHAT = ("chat/completions", "completions")
SHARED = Served("m", CHAT, tiers=("free", "gpu"))
OWN = Served("m", CHAT, owner=ACME)
ON_FREE = Wish(ACME, "m", "generate", "free", is_self_hosted=False)
ON_OWN = Wish(ACME, "m", "generate", "self_hosted", is_self_hosted=True)


@pytest.mark.parametrize(("served", "wish"), [(SHARED, ON_FREE), (OWN, ON_OWN)])
def test_machine_with_all_that_is_asked_for_serves(served: Served, wish: Wish) -> None:
    assert obstacle(served, wish) == ""
    assert obstacle(replace(served, region="eu"), replace(wish, region="eu")) == ""
    assert obstacle(replace(served, region="eu"), wish) == ""


@pytest.mark.parametrize(
    ("owner", "is_self_hosted", "found"),
    [
        (None, False, ""),
        (None, True, "owner"),
        (ACME, True, ""),
        (ACME, False, "owner"),
        (RIVAL, True, "owner"),
        (RIVAL, False, "owner"),
    ],
)
def test_own_machines_serve_their_projects_own_tier_and_nobody_else(
    owner: int | None, is_self_hosted: bool, found: str
) -> None:
    served = replace(SHARED, owner=owner)

    assert obstacle(served, replace(ON_FREE, is_self_hosted=is_self_hosted)) == found


@pytest.mark.parametrize(
    ("changes", "wanted", "found"),
    [
        ({"tiers": ("gpu",)}, {}, "tier"),
        ({"tiers": ()}, {}, "tier"),
        ({"model_name": "M"}, {}, "model"),
        ({"operations": ("embeddings",)}, {}, "task"),
        ({"operations": ()}, {}, "task"),
        ({}, {"task": "embed"}, "task"),
        ({}, {"region": "eu"}, "region"),
        ({"region": "us"}, {"region": "eu"}, "region"),
        ({"is_paused": True}, {}, "paused"),
        ({"is_ready": False}, {}, "not_ready"),
        ({"is_draining": True}, {}, "draining"),
    ],
)
def test_one_thing_in_the_way_is_named(
    changes: dict[str, Any], wanted: dict[str, Any], found: str
) -> None:
    assert obstacle(replace(SHARED, **changes), replace(ON_FREE, **wanted)) == found


WRONG: dict[str, dict[str, Any]] = {
    "owner": {"owner": RIVAL},
    "tier": {"tiers": ("gpu",)},
    "model": {"model_name": "other"},
    "task": {"operations": ("embeddings",)},
    "region": {"region": "us"},
    "paused": {"is_paused": True},
    "not_ready": {"is_ready": False},
    "draining": {"is_draining": True},
}


def test_every_obstacle_is_in_the_table() -> None:
    assert tuple(WRONG) == OBSTACLES


@pytest.mark.parametrize("wrong", list(itertools.combinations(WRONG, 2)), ids="+".join)
def test_of_two_things_in_the_way_the_first_is_named(wrong: tuple[str, str]) -> None:
    changes = {name: value for word in wrong for name, value in WRONG[word].items()}
    served = replace(SHARED, **{"region": "eu", **changes})

    assert obstacle(served, replace(ON_FREE, region="eu")) == wrong[0]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["owner", "region"], "region"),
        (["draining", "not_ready"], "draining"),
        (["model", "", "draining"], ""),
        (["tier"], "tier"),
    ],
)
def test_of_many_machines_the_nearest_counts(words: list[str], found: str) -> None:
    assert nearest(words) == found


@pytest.mark.parametrize(
    ("task", "operations", "does"),
    [
        ("generate", ("chat/completions",), True),
        ("generate", ("embeddings", "completions"), True),
        ("generate", ("embeddings", "rerank", "score"), False),
        ("embed", ("chat/completions",), False),
        ("embed", ("score",), True),
        ("score", ("embeddings",), False),
        ("score", ("rerank",), True),
        ("", (), True),
        ("generate", ("dance",), False),
    ],
)
def test_server_does_what_its_operations_are_for(
    task: str, operations: tuple[str, ...], does: bool
) -> None:
    assert speaks(task, operations) is does


NEEDS = {"gpu": "cuda", "amd": "rocm"}
CUDA = {"accelerators": [{"kind": "cuda", "name": "H100", "memory_bytes": 1}]}


@pytest.mark.parametrize(
    ("carried", "facts", "served"),
    [
        (["free", "gpu"], CUDA, ["free", "gpu"]),
        (["gpu", "amd"], CUDA, ["gpu"]),
        (["gpu", "free"], {}, ["free"]),
        (["gpu"], {"accelerators": []}, []),
        ([], CUDA, []),
    ],
)
def test_machine_serves_the_tiers_whose_accelerator_it_has(
    carried: list[str], facts: dict[str, Any], served: list[str]
) -> None:
    assert fitting_tiers(carried, NEEDS, facts) == served


@pytest.mark.parametrize(
    "said", [None, "cuda", 7, {"kind": "cuda"}, ["cuda"], [{"kind": 7}], [{}], [None]]
)
def test_accelerators_that_are_nonsense_are_none(said: object) -> None:
    assert accelerators_of({"accelerators": said}) == frozenset()


def test_accelerators_are_told_by_kind_however_many_there_are() -> None:
    cards = [*CUDA["accelerators"], {"kind": "rocm"}, {"kind": "cuda"}]

    assert accelerators_of({"accelerators": cards}) == {"cuda", "rocm"}
