"""How much of what tests make up is tried: half of it in a usual run, all with ``--thorough``.

Half are enough to see a change break a rule; what is rarer is for ``make fuzz``, which takes all.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

_share = {"of": 2}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run try everything."""
    parser.addoption("--thorough", action="store_true", help="try all that tests make up, not half")


def pytest_configure(config: pytest.Config) -> None:
    """Hear it before any test module is imported."""
    if config.getoption("--thorough"):
        _share["of"] = 1


def share_of(full: int) -> int:
    """Return how many of ``full`` this run tries."""
    return full // _share["of"]


def examples(full: int, **others: Any) -> settings:
    """Return the settings of a property that all in all is tried with ``full`` examples."""
    return settings(max_examples=share_of(full), deadline=None, **others)
