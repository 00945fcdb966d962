"""What is on offer: a tier sells only machines that are there.

One question, asked by the form, the API and whoever opens or moves an endpoint: which tiers
have a live machine for this model and this project, and what to say of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents import selectors
from agents.errors import TierUnavailable
from agents.models import Worker
from catalog import selectors as catalog
from catalog.errors import ModelUnknown, TierUnknown

if TYPE_CHECKING:
    from catalog.models import CatalogModel, ServiceTier
    from projects.models import Project

NO_OWN = (
    "This project has no machine of its own that serves it. Ask the operator to add one, or "
    "choose another tier."
)
NO_MACHINE = "No machine of this tier serves it here. Choose another tier or another model."


@dataclass(frozen=True, slots=True)
class Offer:
    """A tier, how many live machines it has for what was asked, and why it can't be had."""

    tier: ServiceTier
    machines: int

    @property
    def reason(self) -> str:
        """Say why nobody can open an endpoint on it; empty if they can."""
        if self.machines:
            return ""
        return NO_OWN if self.tier.is_self_hosted else NO_MACHINE


def offers_to(project: Project, *, model_name: str | None = None) -> list[Offer]:
    """Return every offered tier, for one model or for whichever it has machines."""
    rows = selectors.workers_for(project=project, model_name=model_name)
    live = selectors.alive(rows)
    return [Offer(tier, _count(tier, live)) for tier in catalog.offered_tiers()]


def machines_by_model(project: Project) -> Counter[str]:
    """Return how many live machines would serve a project each model, by its name."""
    live = selectors.alive(selectors.workers_for(project=project))
    return Counter(worker.model_name for worker in live)


def tiers_by_model(project: Project) -> dict[str, list[str]]:
    """Return for each served model the tiers that a project could open it on."""
    found: dict[str, set[str]] = {}
    own = [tier.slug for tier in catalog.offered_tiers() if tier.is_self_hosted]
    for worker in selectors.alive(selectors.workers_for(project=project)):
        carried = own if worker.project_id is not None else worker.tiers
        found.setdefault(worker.model_name, set()).update(carried)
    return {name: sorted(slugs) for name, slugs in found.items()}


def chosen_model(name: str) -> CatalogModel:
    """Return a listed model by its name. Raises ``ModelUnknown``."""
    model = catalog.listed_model(name)
    if model is None:
        raise ModelUnknown(f"The catalog lists no model “{name}”.", param="model")
    return model


def known_tier(slug: str) -> ServiceTier:
    """Return an offered tier, whether anybody serves it or not. Raises ``TierUnknown``."""
    tier = catalog.offered_tier(slug)
    if tier is None:
        raise TierUnknown(f"There is no tier “{slug}”.", param="tier")
    return tier


def chosen_tier(slug: str, *, project: Project, model: CatalogModel) -> ServiceTier:
    """Return a tier that an endpoint of this model can be opened on, or moved to.

    Raises ``TierUnknown``, or ``TierUnavailable`` where no live machine would serve it.
    """
    tier = known_tier(slug)
    live = selectors.live_workers(
        project=project,
        model_name=model.name,
        tier=tier.slug,
        is_self_hosted=tier.is_self_hosted,
    )
    reason = Offer(tier, len(live)).reason
    if reason:
        raise TierUnavailable(f"{tier.name}, {model.name}: {reason}", param="tier")
    return tier


def _count(tier: ServiceTier, live: Iterable[Worker]) -> int:
    if tier.is_self_hosted:
        return sum(worker.project_id is not None for worker in live)
    return sum(worker.project_id is None and tier.slug in worker.tiers for worker in live)
