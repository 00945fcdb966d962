"""Demand (request features): what the router is told of a request it chooses a worker for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.contracts.policies import BALANCED, Policy

PRIORITY: Final = 20
"""The priority of a tier whose requests count as they are."""


class Demand:
    """A request, as far as the choice of its worker goes.

    ``prompt_bytes`` are those that become tokens; ``priority`` is its tier's; ``ttft_us`` and
    ``tpot_us`` are its targets (SLO), 0 where it named none; ``chain`` are the hashes of its
    prefixes (``spans``), empty where they are of no use; ``seed``: what its draws come from;
    ``fallback``: why the pools it is offered stand in for others (``contracts.decisions``).
    """

    __slots__ = (
        "chain",
        "endpoint",
        "fallback",
        "model",
        "policy",
        "priority",
        "project",
        "prompt_bytes",
        "request_id",
        "seed",
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
        self.priority = priority
        self.ttft_us = self.tpot_us = self.seed = self.fallback = 0
        self.request_id = self.endpoint = ""
        self.policy: Policy = BALANCED

    @property
    def has_target(self) -> bool:
        """Say whether it named a target."""
        return self.ttft_us > 0 or self.tpot_us > 0
