"""All rules by name: ours, those of others, and the ceiling."""

from __future__ import annotations

from typing import Final

from bench.routing import plain_rules, prefix_rules
from bench.routing.oracle import Oracle
from bench.routing.ours import Ours
from bench.routing.rule import MakesRule

RULES: Final[dict[str, MakesRule]] = {
    "random": plain_rules.AtRandom,
    "round robin": plain_rules.RoundRobin,
    "least in flight": plain_rules.LeastInFlight,
    "power of two": plain_rules.PowerOfTwo,
    "cache-aware 2025": prefix_rules.cache_aware_library,
    "cache-aware 2025, CLI": prefix_rules.cache_aware_program,
    "SMG 2026": prefix_rules.Smg2026,
    "llm-d": prefix_rules.LlmD,
    "production-stack": prefix_rules.LoadAware,
    "Dynamo": prefix_rules.Dynamo,
    "LMetric": prefix_rules.LMetric,
    "ours": Ours,
    "oracle": Oracle,
}

OURS: Final = "ours"
CEILING: Final = "oracle"
QUICK: Final = ("power of two", "SMG 2026", "LMetric", OURS, CEILING)
LEARNING: Final = frozenset({OURS, CEILING})
"""Rules that learn how fast machines are; the best of the others is what to beat."""
