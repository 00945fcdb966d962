"""Decision records (routing trace): all that one choice of a worker was made from, and what came.

One for each attempt that was weighed. Numbers are integers, so that it can be decided again to the
bit (``inference.contracts.decide``); candidates are rows of ``CANDIDATE``, in the order of
``workers``. They are told on a capped stream: the control plane keeps what went wrong and a sample.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, Final

from inference.contracts.policies import BadPolicy, Policy

RECORDS: Final = "xt:decisions"
"""The stream; each entry's one field is a JSON list of records."""
RECORDS_FIELD: Final = "records"
RECORDS_BYTES: Final = 256 * 1024 * 1024
"""What the stream may take, about."""

CANDIDATE: Final = (
    "worker",
    "state",
    "hit_tokens",
    "new_tokens",
    "backlog",
    "in_flight",
    "importance",
    "base_us",
    "speed_ns",
    "factor",
    "q90",
    "tpot_us",
    "extras_us",
)
"""What a row of a candidate says (``inference.contracts.snapshot``)."""

KEPT, MISSED, UNREACHABLE, NO_TARGET = 1, 2, 3, 0
"""Whether a target was kept; unreachable: nobody was believed to keep it, and nobody did."""


@dataclass(frozen=True)
class Came:
    """What came of an attempt. Times in microseconds, from its sending; none: it never came.

    ``cached`` tokens of the prompt, as its engine reported, none where it said nothing;
    ``target``: ``KEPT``, ``MISSED``, ``UNREACHABLE`` or ``NO_TARGET``.
    """

    ttft_us: int | None = None
    tpot_us: int | None = None
    took_us: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int | None = None
    ending: str = ""
    target: int = NO_TARGET


@dataclass(frozen=True)
class DecisionRecord:
    """See the module. ``request_id`` names the request, ``attempt`` which try of it, from 0.

    ``at``: Unix seconds; ``at_us``: the clock of its gateway's loop. ``formula``: the version of
    the code that decided; ``draw``: 62 random bits; ``tokens``, ``weight``, ``ttft_us``,
    ``tpot_us``: what the request asked of the decision (targets 0 where it named none);
    ``chosen``: a place in ``workers``.
    """

    request_id: str
    attempt: int
    project: str
    endpoint: str
    model: str
    gateway: str
    at: float
    at_us: int
    formula: int
    policy: Policy
    draw: int
    tokens: int
    weight: int
    ttft_us: int
    tpot_us: int
    fallback: int
    chosen: int
    workers: tuple[str, ...]
    candidates: tuple[tuple[int, ...], ...]
    came: Came = field(default_factory=Came)

    @property
    def worker_id(self) -> str:
        """Name who was chosen."""
        return self.workers[self.chosen]


def read_records(text: str | bytes) -> list[DecisionRecord]:
    """Read what one entry of the stream holds.

    Unknown fields are dropped, and so is a record that is none. Raises ``ValueError`` if the
    text is no JSON list.
    """
    raw: Any = json.loads(text)
    if not isinstance(raw, list):
        raise ValueError("records come as a list")  # noqa: TRY004 - it is what was read that is wrong
    return [made for one in raw if (made := record_from(one)) is not None]


def record_from(raw: Any) -> DecisionRecord | None:
    """Return the record that JSON says; none if it says none."""
    try:
        values = _known(DecisionRecord, raw)
        values["policy"] = Policy(**_known(Policy, raw["policy"]))
        values["came"] = Came(**_known(Came, raw["came"]))
        values["workers"] = tuple(raw["workers"])
        values["candidates"] = tuple(tuple(row) for row in raw["candidates"])
        made = DecisionRecord(**values)
    except (TypeError, KeyError, AttributeError, BadPolicy):
        return None
    return made if _is_whole(made) else None


def _is_whole(made: DecisionRecord) -> bool:
    rows = all(len(row) == len(CANDIDATE) for row in made.candidates)
    return (
        rows and len(made.workers) == len(made.candidates) and 0 <= made.chosen < len(made.workers)
    )


def _known(kind: type[Any], raw: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in raw.items() if name in names}
