"""What is on offer: a tier sells only machines that are there.

One question, asked by the form, the API and whoever opens or moves an endpoint: which tiers
have a live machine for this model and this project, and what to say of the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agents import selectors
from agents.errors import RegionUnavailable, TierUnavailable
from agents.models import Worker
from agents.placement import Wish, obstacle
from catalog import selectors as catalog
from catalog.errors import ModelUnknown, TierUnknown
from common.names import check_region

if TYPE_CHECKING:
    from catalog.models import CatalogModel, ServiceTier
    from projects.models import Project

NO_OWN = (
    "This project has no machine of its own that serves it. Join one or name a backend by URL "
    "under Machines, or choose another tier."
)
NO_MACHINE = "No machine of this tier serves it here. Choose another tier or another model."
NO_OWN_THERE = (
    "This project has no machine in region “{}” that serves it. Let one join with a join key of "
    "that region, or name another region or none."
)
NONE_THERE = (
    "No machine of this tier in region “{}” serves it. Name another region or none, or choose "
    "another tier."
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A tier, how many live machines it has for what was asked, and why it can't be had."""

    tier: ServiceTier
    machines: int
    region: str = ""

    @property
    def reason(self) -> str:
        """Say why nobody can open an endpoint on it; empty if they can."""
        if self.machines:
            return ""
        if self.region:
            return (NO_OWN_THERE if self.tier.is_self_hosted else NONE_THERE).format(self.region)
        return NO_OWN if self.tier.is_self_hosted else NO_MACHINE


def offers_to(project: Project, *, model_name: str | None = None, region: str = "") -> list[Offer]:
    """Return every offered tier, for one model or for whichever it has machines."""
    able = _Able(project, model_name, region)
    return [Offer(tier, len(able.on(tier)), region) for tier in catalog.offered_tiers()]


def machines_by_model(project: Project) -> Counter[str]:
    """Return how many live machines would serve a project each model, by its name."""
    able, tiers = _Able(project), list(catalog.offered_tiers())
    serving = {worker.pk: worker for tier in tiers for worker in able.on(tier)}
    return Counter(worker.model_name for worker in serving.values())


def tiers_by_model(project: Project) -> dict[str, list[str]]:
    """Return for each served model the tiers that a project could open it on."""
    able = _Able(project)
    found: dict[str, set[str]] = {}
    for tier in catalog.offered_tiers():
        for worker in able.on(tier):
            found.setdefault(worker.model_name, set()).add(tier.slug)
    return {name: sorted(slugs) for name, slugs in found.items()}


def regions_for(project: Project) -> list[str]:
    """Return the regions in which a live machine would serve a project."""
    return sorted({worker.region for worker in _Able(project).live if worker.region})


def chosen_model(name: str) -> CatalogModel:
    """Return a listed model by its name. Raises ``ModelUnknown``."""
    model = catalog.listed_model(name)
    if model is None:
        raise ModelUnknown(f"The catalog lists no model “{name}”.", param="model")
    return model


def known_tier(slug: str, *, param: str = "tier") -> ServiceTier:
    """Return an offered tier, whether anybody serves it or not. Raises ``TierUnknown``."""
    tier = catalog.offered_tier(slug)
    if tier is None:
        raise TierUnknown(f"There is no tier “{slug}”.", param=param)
    return tier


def chosen_tier(
    slug: str, *, project: Project, model: CatalogModel, region: str = ""
) -> ServiceTier:
    """Return a tier that an endpoint of this model can be opened on, or moved to, in a region.

    Raises ``TierUnknown``, ``RegionMalformed``, or ``TierUnavailable`` or ``RegionUnavailable``
    where no live machine would serve it.
    """
    check_region(region)
    tier = known_tier(slug)
    wish = wish_of(project.pk, model, tier, region)
    live = selectors.live_workers(replace(wish, region=""))
    there = [one for one in live if not obstacle(selectors.served_by(one), wish)]
    if live and not there:
        reason = Offer(tier, 0, region).reason
        raise RegionUnavailable(f"{tier.name}, {model.name}: {reason}", param="region")
    if not live:
        raise TierUnavailable(f"{tier.name}, {model.name}: {Offer(tier, 0).reason}", param="tier")
    return tier


def wish_of(project_pk: int, model: CatalogModel, tier: ServiceTier, region: str) -> Wish:
    """Return what an endpoint of a project asks of machines."""
    return Wish(project_pk, model.name, model.task, tier.slug, tier.is_self_hosted, region)


class _Able:
    """The live machines that a project may use at all: which of them serve a tier."""

    def __init__(self, project: Project, model_name: str | None = None, region: str = "") -> None:
        self.live = selectors.alive(selectors.workers_for(project=project, model_name=model_name))
        self._project = project
        self._region = region
        self._tasks = catalog.tasks()

    def on(self, tier: ServiceTier) -> list[Worker]:
        """Return those that serve endpoints on a tier, each of its own model."""
        return [worker for worker in self.live if self._serves(worker, tier)]

    def _serves(self, worker: Worker, tier: ServiceTier) -> bool:
        name = worker.model_name
        task = self._tasks.get(name, "")
        wish = Wish(self._project.pk, name, task, tier.slug, tier.is_self_hosted, self._region)
        return not obstacle(selectors.served_by(worker), wish)
