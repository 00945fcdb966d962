"""Limits of a key's own (per-credential rate limits, quotas): names, figures, ranges. Pure.

The API is made from this, and pages hold to it: a kind of limit is an entry of ``LIMITS``. Its
columns are the fields of ``inference.contracts.key_limits``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apikeys.errors import QuotaMalformed
from common.problems import Problem
from inference.contracts.key_limits import KeyLimits

if TYPE_CHECKING:
    from apikeys.models import ApiKey


Figures = Mapping[str, int | None]
"""Numbers of limits, by column or by name; none of a limit that is lifted."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a limit: at least 1, and at most so much.

    ``name`` is what it is called in the API and in forms, where no other limit has one of that
    name; ``field`` is its column; ``range`` says to people what it may be.
    """

    name: str
    field: str
    most: int
    range: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A kind of limit. All its figures are set, or it is lifted and none is.

    ``name`` stands in paths and bodies; ``what``, ``shown`` and ``set`` are what the API's
    description says of it as a body, as part of a key, and of setting it.
    """

    name: str
    figures: tuple[Figure, ...]
    refusal: type[Problem]
    what: str
    shown: str
    set: str

    def columns(self, said: Figures | None) -> Figures:
        """Return its columns as a caller said its figures, by name; all none, to lift it."""
        said = said or {}
        return {figure.field: said.get(figure.name) for figure in self.figures}

    def check(self, columns: Figures) -> None:
        """Raise ``refusal`` with the first figure that is out of range, or alone."""
        numbers = [columns.get(figure.field) for figure in self.figures]
        if all(number is None for number in numbers):
            return
        for figure, number in zip(self.figures, numbers, strict=True):
            if number is None or not 1 <= number <= figure.most:
                raise self.refusal(figure.range, param=figure.name)


MAX_QUOTA = 2_000_000_000
MAX_WINDOW_S = 366 * 86_400

QUOTA = Limit(
    name="quota",
    figures=(
        Figure("requests", "quota_requests", MAX_QUOTA, f"Give 1 to {MAX_QUOTA} requests."),
        Figure(
            "window_s",
            "quota_window_s",
            MAX_WINDOW_S,
            f"Give a window of 1 to {MAX_WINDOW_S} seconds.",
        ),
    ),
    refusal=QuotaMalformed,
    what="How many requests a key may make in each window of seconds.",
    shown="A key's quota; both numbers are null where there is none.",
    set="Limit a key to so many requests in each window.",
)

LIMITS = (QUOTA,)
"""Every kind there is. Each of its columns is in one of them."""


def columns_of(said: Mapping[str, Figures | None]) -> Figures:
    """Return the columns of every limit, as a caller said each by its name; else it is lifted."""
    each = [limit.columns(said.get(limit.name)) for limit in LIMITS]
    return {field: number for columns in each for field, number in columns.items()}


def of(key: ApiKey) -> Figures:
    """Return the columns of a key's limits."""
    return KeyLimits.figures_of(key)


def check(columns: Figures) -> None:
    """Raise what is wrong with the limits of a key."""
    for limit in LIMITS:
        limit.check(columns)
