"""From counted steps to a chart: every step of the range has a point, also where nothing was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time that pages offer, and the step its charts count in."""

    name: str
    label: str
    length: timedelta
    step: str
    step_length: timedelta


RANGES: tuple[Range, ...] = (
    Range("1h", "1 h", timedelta(hours=1), "minute", timedelta(minutes=1)),
    Range("24h", "24 h", timedelta(hours=24), "hour", timedelta(hours=1)),
    Range("7d", "7 d", timedelta(days=7), "hour", timedelta(hours=1)),
    Range("30d", "30 d", timedelta(days=30), "day", timedelta(days=1)),
)
DEFAULT = RANGES[1]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart. ``look`` is ``main``, ``bad``, ``refused`` or ``previous``."""

    label: str
    look: str
    counted: Mapping[datetime, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One step, for the table below the chart."""

    moment: datetime
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one range of time: figures for the script, rows for the table."""

    element_id: str
    title: str
    labels: tuple[str, ...]
    looks: tuple[str, ...]
    figures: dict[str, object]
    rows: tuple[Row, ...]

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """Return each line's look and label."""
        return tuple(zip(self.looks, self.labels, strict=True))


def range_named(name: str) -> Range:
    """Return a range by its name in the URL; the default for anything else."""
    return next((choice for choice in RANGES if choice.name == name), DEFAULT)


def steps_of(choice: Range, until: datetime) -> list[datetime]:
    """Return the beginning of every step of a range that ends with the step of ``until``."""
    last = until.astimezone(UTC).replace(second=0, microsecond=0)
    if choice.step != "minute":
        last = last.replace(minute=0)
    if choice.step == "day":
        last = last.replace(hour=0)
    count = choice.length // choice.step_length
    return [last - choice.step_length * back for back in range(count - 1, -1, -1)]


def chart_of(
    element_id: str,
    title: str,
    steps: Sequence[datetime],
    lines: Sequence[Line],
) -> Chart:
    """Lay counted steps on the steps of a range; a step nobody counted is zero."""
    labels = tuple(line.label for line in lines)
    columns = [[line.counted.get(step, 0) for step in steps] for line in lines]
    rows = zip(steps, zip(*columns, strict=True), strict=True)
    return Chart(
        element_id,
        title,
        labels,
        tuple(line.look for line in lines),
        {
            "times": [int(step.timestamp()) for step in steps],
            "labels": list(labels),
            "looks": [line.look for line in lines],
            "series": columns,
        },
        tuple(Row(step, values) for step, values in reversed(list(rows))),
    )
