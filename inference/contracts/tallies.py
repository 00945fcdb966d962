"""What a gateway says of requests it refused.

Never one message a request: a flood of refusals is a handful of counts a second, and the
ids of a few. ``batch_id`` lets the reader count a batch once, however often it is told.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

REFUSALS = "xt:refusals"
"""The stream of batches; ``BATCH_FIELD`` is the one field of its entries."""
BATCH_FIELD = "batch"
REFUSALS_KEPT = 300
"""Batches the stream keeps at most, about: what nobody reads for minutes is let go."""


@dataclass(frozen=True)
class Tally:
    """How often something was refused in the minute that began at ``minute`` (Unix seconds).

    ``endpoint`` and ``key_id`` are empty where they are not known for sure.
    """

    minute: int
    project: str
    endpoint: str
    key_id: str
    code: str
    count: int


@dataclass(frozen=True)
class RefusedRequest:
    """One of the last refused requests, to be found by either id. ``at`` is Unix seconds."""

    request_id: str
    caller_request_id: str
    at: float
    project: str
    endpoint: str
    key_id: str
    operation: str
    code: str
    status: int
    message: str


@dataclass(frozen=True)
class RefusalBatch:
    """What one gateway refused since its last batch."""

    batch_id: str
    tallies: tuple[Tally, ...]
    requests: tuple[RefusedRequest, ...]

    def text(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def batch_from(text: str) -> RefusalBatch:
    """Read a batch back. Raises ``ValueError``, ``TypeError`` or ``KeyError`` for anything else."""
    raw: dict[str, Any] = json.loads(text)
    return RefusalBatch(
        str(raw["batch_id"]),
        tuple(Tally(**tally) for tally in raw["tallies"]),
        tuple(RefusedRequest(**request) for request in raw["requests"]),
    )
