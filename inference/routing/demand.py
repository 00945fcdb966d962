"""Demand (request features): what the router is told of a request it chooses a worker for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PRIORITY: Final = 20
"""The priority of a tier whose requests count as they are."""


class Demand:
    """A request, as far as the choice of its worker goes.

    ``prompt_bytes`` are those that become tokens; ``priority`` is its tier's; ``ttft_us`` and
    ``tpot_us`` are its targets (SLO), 0 where it named none; ``chain`` are the hashes of its
    prefixes (``spans``), empty where they are of no use.
    """

    __slots__ = (
        "chain",
        "model",
        "priority",
        "project",
        "prompt_bytes",
        "tpot_us",
        "ttft_us",
    )

    def __init__(
        self,
        project: str,
        model: str,
        prompt_bytes: int,
        chain: Sequence[int] = (),
        priority: int = PRIORITY,
    ) -> None:
        self.project = project
        self.model = model
        self.prompt_bytes = prompt_bytes
        self.chain = chain
        self.ttft_us = self.tpot_us = 0
        self.priority = priority

    @property
    def has_target(self) -> bool:
        """Say whether it named a target."""
        return self.ttft_us > 0 or self.tpot_us > 0
