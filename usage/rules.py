"""How an event becomes a row, and how a page of rows is asked for."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Q, TextChoices

from inference.contracts.events import ASKED, DECIDED, ENDED, SHARED, UsageEvent, moment_of

THRESHOLDS = (50, 75, 90, 100)
"""Per cent of a budget at which somebody is told."""


class Grain(TextChoices):
    """How long a rollup's step is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


KEPT = {Grain.MINUTE: timedelta(days=8), Grain.HOUR: timedelta(days=400)}
"""How long fine sums are kept; days are kept for good."""
REFUSED_KEPT = 100
"""Refused requests kept of a project and code, the last ones."""
REFUSED_FOR = timedelta(days=30)
_LONGEST = {Grain.MINUTE: timedelta(days=2), Grain.HOUR: timedelta(days=90)}


def is_kept(grain: Grain, since: datetime, now: datetime) -> bool:
    """Say whether the sums of a grain are still there from a moment on."""
    return grain not in KEPT or since >= now - KEPT[grain]


def grain_for(since: datetime, until: datetime, now: datetime) -> Grain:
    """Return the sums from which a period's totals are had: exact, kept, and not too many.

    Whole days need no finer sums than days; of other periods the finest are taken.
    """
    if _begins_day(since) and (until >= now or _begins_day(until)):
        return Grain.DAY
    return next(
        (
            grain
            for grain, longest in _LONGEST.items()
            if until - since <= longest and is_kept(grain, since, now)
        ),
        Grain.DAY,
    )


EVER = datetime(2000, 1, 1, tzinfo=UTC)
"""Before anything was ever used."""


def floor(moment: datetime, grain: Grain) -> datetime:
    """Return the beginning of the step a moment lies in."""
    minute = moment.astimezone(UTC).replace(second=0, microsecond=0)
    if grain == Grain.MINUTE:
        return minute
    return minute.replace(minute=0) if grain == Grain.HOUR else minute.replace(hour=0, minute=0)


def _begins_day(moment: datetime) -> bool:
    return moment.astimezone(UTC).time() == time.min


# What is a failure is said here, once for each language that asks; a test compares them.
COMPLETE, LEFT = "complete", "caller_left"
HTTP_ERROR = 400
FAILED = f"(ending <> '{LEFT}' AND (status >= {HTTP_ERROR} OR ending <> '{COMPLETE}'))"
"""As SQL over a record. A caller that leaves has not been failed."""
FAILED_Q = ~Q(ending=LEFT) & (Q(status__gte=HTTP_ERROR) | ~Q(ending=COMPLETE))
"""The same as a condition."""
LEFT_EARLY = f"ending = '{LEFT}'"


def is_failure(status: int, ending: str) -> bool:
    """Say the same of one request."""
    return ending != LEFT and (status >= HTTP_ERROR or ending != COMPLETE)


_FIELDS = (*SHARED, *ENDED, *ASKED, *DECIDED)
_COLUMN_OF = {"project": "project_id", "terms_version": "terms_number"}
_NO_COLUMN = {"secret_id"}
"""Of it only the last use is kept, with the secret."""
COLUMNS = (
    "request_id",
    "started_at",
    *(_COLUMN_OF.get(name, name) for name in _FIELDS if name not in _NO_COLUMN),
)
"""The columns of ``usage_record`` in the order in which rows are copied in."""


def row_of(event: UsageEvent, project_pk: int) -> tuple[Any, ...]:
    """Return an event as a row; raises ``ValueError`` if its id carries no moment."""
    values = asdict(event) | {
        "project_id": project_pk,
        "started_at": started_at(event.request_id),
        "terms_number": event.terms_version,
        # To the first token there is a time only in a stream; else it is the whole answer's.
        "ttft_ms": event.ttft_ms if event.streamed else None,
        "decision": event.decision.text() if event.decision else None,
    }
    return tuple(values[column] for column in COLUMNS)


def reached(spent: int, amount: int) -> tuple[int, ...]:
    """Return the thresholds, in per cent, that so much of a budget has reached."""
    return tuple(percent for percent in THRESHOLDS if spent * 100 >= amount * percent)


def day(text: str) -> datetime:
    """Return the beginning of the UTC day that someone wrote. Raises ``ValueError``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def month_of(moment: datetime) -> datetime:
    """Return the first instant of a moment's UTC month."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def months_before(moment: datetime, months: int) -> datetime:
    """Return the first instant of the UTC month that lies so many months back."""
    first = month_of(moment)
    years, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return first.replace(year=years, month=month + 1)


def started_at(request_id: str) -> datetime:
    """Read the moment of admission out of a request id."""
    return datetime.fromtimestamp(moment_of(request_id), tz=UTC)


def named(name: str) -> Q:
    """Return which records have this id: one of ours, which says its moment, or a caller's."""
    by_caller = Q(caller_request_id=name) & ~Q(caller_request_id="")
    try:
        return by_caller | Q(request_id=name, started_at=started_at(name))
    except ValueError:
        return by_caller


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the last row's moment and id."""

    started_at: datetime
    request_id: str

    def text(self) -> str:
        """Return the cursor as it stands in a URL."""
        raw = f"{self.started_at.isoformat()}|{self.request_id}"
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def cursor_from(text: str) -> Cursor | None:
    """Read a cursor from a URL; none if it is empty or nonsense (the list starts anew)."""
    try:
        padded = text + "=" * (-len(text) % 4)
        moment, _, request_id = base64.urlsafe_b64decode(padded).decode().partition("|")
        began = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error):
        return None
    is_whole = request_id and "\0" not in request_id and began.tzinfo is not None
    return Cursor(began, request_id) if is_whole else None
