"""Guard: how workers are reached is known to a folder for each way, and where they are joined."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.test_no_circles import CONTRACTS, imports_of

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "inference/fleet"
TRANSPORTS = sorted(found.parent.name for found in FLEET.glob("*/__init__.py"))
JOINED_IN = {
    "hop": {"inference.gateway.hops"},
    "http": {"inference.gateway.transports"},
    "tunnel": {"inference.gateway.agents", "inference.gateway.hops"},
}
ACROSS = {"inference.fleet.fleet", "inference.fleet.health_checks"}


def test_there_is_a_transport_to_look_at() -> None:
    assert set(TRANSPORTS) == set(JOINED_IN)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_transport_is_known_to_itself_and_where_all_are_joined(transport: str) -> None:
    folder = f"inference.fleet.{transport}"
    graph = imports_of(ROOT, CONTRACTS["root_packages"])

    users = {name for name, seen in graph.items() if any(is_in(one, folder) for one in seen)}
    assert {name for name in users if not is_in(name, folder)} == JOINED_IN[transport]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_transport_knows_nothing_of_what_looks_across_all(transport: str) -> None:
    graph = imports_of(ROOT, CONTRACTS["root_packages"])
    inside = [seen for name, seen in graph.items() if is_in(name, f"inference.fleet.{transport}")]

    assert "inference.fleet.ports" in set().union(*inside)
    assert set().union(*inside) & ACROSS == set()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_transport_says_in_a_sentence_what_it_reaches(transport: str) -> None:
    sentence = ast.get_docstring(ast.parse((FLEET / transport / "__init__.py").read_text()))

    assert sentence is not None
    assert sentence.splitlines()[0].endswith(".")


def is_in(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")
