"""Models and tiers as cards: what one wants to know before choosing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from inference.contracts.bursts import requests_at_once

if TYPE_CHECKING:
    from catalog.models import CatalogModel, ServiceTier, TierTerms

TASKS = {"generate": "Text generation", "embed": "Embeddings", "score": "Scoring"}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model of the catalog."""

    name: str
    title: str
    summary: str
    task: str
    task_label: str
    family: str
    licence: str
    parameters: str
    size_bytes: int
    context_length: int | None
    dimensions: int | None
    formats: tuple[str, ...]
    tags: tuple[str, ...]
    capabilities: tuple[str, ...]
    machines: int | None = None
    """How many live machines would serve it to the project that looks; none: not asked."""


@dataclass(frozen=True, slots=True)
class TierCard:
    """A tier and its numbers; ``None`` is unlimited."""

    slug: str
    name: str
    summary: str
    price_per_million: int
    price_per_agent_hour: int
    tokens_per_min: int | None
    requests_per_min: int | None
    monthly_tokens: int | None
    concurrent: int
    requests_at_once: int | None
    is_preemptible: bool
    reason: str = ""
    """Why no endpoint can be opened on it now; empty if one can."""


def model_card(model: CatalogModel, machines: int | None = None) -> ModelCard:
    """Lay out a model."""
    return ModelCard(
        name=model.name,
        title=model.title,
        summary=model.summary,
        task=model.task,
        task_label=TASKS[model.task],
        family=model.family,
        licence=model.licence,
        parameters=model.parameters,
        size_bytes=model.size_bytes,
        context_length=model.context_length,
        dimensions=model.dimensions,
        formats=tuple(model.formats),
        tags=tuple(model.tags),
        capabilities=tuple(model.capabilities),
        machines=machines,
    )


def tier_card(tier: ServiceTier, now: datetime, reason: str = "") -> TierCard:
    """Lay out a tier on the terms in force now; its terms are expected to be loaded."""
    terms = _in_force(list(tier.terms.all()), now)
    return TierCard(
        slug=tier.slug,
        name=tier.name,
        summary=tier.summary,
        price_per_million=terms.price_per_million,
        price_per_agent_hour=terms.price_per_agent_hour,
        tokens_per_min=terms.tokens_per_min,
        requests_per_min=terms.requests_per_min,
        monthly_tokens=terms.monthly_tokens,
        concurrent=terms.concurrent,
        requests_at_once=requests_at_once(tier.slug, terms.requests_per_min)
        if terms.requests_per_min is not None
        else None,
        is_preemptible=tier.is_preemptible,
        reason=reason,
    )


def _in_force(terms: list[TierTerms], now: datetime) -> TierTerms:
    begun = [one for one in terms if one.effective_from <= now]
    return max(begun, key=lambda one: one.effective_from)
