"""Questions about endpoints. Every one of them names the project it asks about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db.models import F, Q, QuerySet

from agents import offers
from agents.models import Worker, WorkerState
from agents.placement import Wish, nearest, obstacle
from agents.selectors import served_by
from catalog.models import CatalogModel
from endpoints.models import Endpoint, EndpointState, LimitOverride
from endpoints.rules import LIMITS, limits_in_force

if TYPE_CHECKING:
    from datetime import datetime

    from catalog.models import ServiceTier
    from projects.models import Project

_PASSING = ("not_ready", "draining")
"""Obstacles that go by themselves: a machine with one of them is still there."""


def endpoints_of(*, project: Project) -> QuerySet[Endpoint]:
    """Return the endpoints of a project that are not retired, newest first."""
    return (
        Endpoint.objects.filter(project=project)
        .exclude(state=EndpointState.RETIRED)
        .select_related("model", "tier", "fallback")
        .order_by("-created_at", "-id")
    )


def one_a_tier(*, project: Project) -> QuerySet[Endpoint]:
    """Return one living endpoint of each tier that a project's endpoints are on."""
    return endpoints_of(project=project).order_by("tier_id", "-id").distinct("tier_id")


def found_endpoints(*, project: Project, query: str, state: str) -> QuerySet[Endpoint]:
    """Return the endpoints whose slug, id or model holds a text, in a state or in any."""
    rows = endpoints_of(project=project)
    if state:
        rows = rows.filter(state=state)
    if query:
        rows = rows.filter(
            Q(slug__icontains=query) | Q(public_id=query) | Q(model__name__icontains=query)
        )
    return rows


def first_to_try(*, project: Project) -> Endpoint | None:
    """Return the newest endpoint that answers in words, else the newest of all."""
    rows = endpoints_of(project=project)
    return rows.filter(model__task="generate").first() or rows.first()


def names_of(*, project: Project, public_ids: Iterable[str]) -> dict[str, str]:
    """Return the slugs of these endpoints of a project, retired ones too, by id."""
    rows = Endpoint.objects.filter(project=project, public_id__in=set(public_ids))
    return dict(rows.values_list("public_id", "slug"))


def models_of(*, project: Project, query: str) -> QuerySet[Endpoint, str]:
    """Return the names of the models that a project's endpoints are bound to, as a text says."""
    rows = Endpoint.objects.filter(project=project, model__name__icontains=query)
    return rows.order_by("model__name").values_list("model__name", flat=True).distinct()


def ids_named(*, project: Project, query: str) -> QuerySet[Endpoint, str]:
    """Return the ids of the endpoints, retired ones too, whose slug or id holds a text."""
    rows = Endpoint.objects.filter(Q(slug__icontains=query) | Q(public_id=query), project=project)
    return rows.values_list("public_id", flat=True)


def endpoint_of(*, project: Project, slug: str) -> Endpoint | None:
    """Return one endpoint of a project that is not retired, by its slug or its public id."""
    named = {"public_id" if slug.startswith("ep_") else "slug": slug}
    return endpoints_of(project=project).filter(**named).select_related("project").first()


def is_at_version(endpoint: Endpoint) -> bool:
    """Lock an endpoint and say whether it still is as it was read."""
    rows = Endpoint.objects.filter(project=endpoint.project_id, pk=endpoint.pk)
    return rows.select_for_update().filter(version=endpoint.version).exists()


def is_slug_taken(*, project: Project, slug: str) -> bool:
    """Say whether a slug was ever used in a project; retired endpoints keep theirs."""
    return Endpoint.objects.filter(project=project, slug=slug).exists()


def reach_of(of: ServiceTier | CatalogModel) -> tuple[int, int]:
    """Return how many living endpoints of how many projects a tier or model has: for operators."""
    wanted = Q(model=of) if isinstance(of, CatalogModel) else Q(tier=of) | Q(fallback=of)
    living = Endpoint.objects.filter(wanted).exclude(state=EndpointState.RETIRED)
    return living.count(), living.order_by().values("project").distinct().count()


def left_without(workers: Iterable[Worker]) -> list[Endpoint]:
    """Return the living endpoints that no active worker would serve without these: for operators.

    A worker that takes no work anyhow leaves nobody behind, nor does an endpoint count that has
    none already.
    """
    gone = [worker for worker in workers if worker.state == WorkerState.ACTIVE]
    names = {worker.model_name for worker in gone}
    staying = Worker.objects.filter(state=WorkerState.ACTIVE, model_name__in=names)
    staying = staying.select_related("agent")
    others = list(staying.exclude(pk__in=[worker.pk for worker in gone]))
    living = Endpoint.objects.filter(model__name__in=names).exclude(state=EndpointState.RETIRED)
    rows = living.select_related("project", "model", "tier").order_by("project__slug", "slug")
    return [row for row in rows if _is_served(row, gone) and not _is_served(row, others)]


def _is_served(endpoint: Endpoint, workers: Iterable[Worker]) -> bool:
    """Say whether one of these would serve it once it is ready: for whom is a machine needed."""
    wish = wish_of(endpoint)
    return any(obstacle(served_by(worker), wish) in {"", *_PASSING} for worker in workers)


def wish_of(endpoint: Endpoint, *, of_fallback: bool = False) -> Wish:
    """Return what an endpoint asks of machines: of its own tier, or of that it falls back to."""
    tier = endpoint.fallback if of_fallback and endpoint.fallback else endpoint.tier
    return offers.wish_of(endpoint.project_id, endpoint.model, tier, endpoint.region)


def serving_with(*, project: Project, workers: Iterable[Worker]) -> list[tuple[Endpoint, str]]:
    """Return the endpoints of a project that machines of its own serve, and what keeps them.

    Only those of their models; an obstacle is empty where nothing is in the way.
    """
    served = [served_by(worker) for worker in workers]
    names = {one.model_name for one in served}
    rows = endpoints_of(project=project).filter(tier__is_self_hosted=True, model__name__in=names)
    return [(row, nearest(obstacle(one, wish_of(row)) for one in served)) for row in rows]


def on_tier(*, project: Project, tier: ServiceTier) -> QuerySet[Endpoint]:
    """Return the living endpoints of a project that are on one tier, or fall back to it."""
    return endpoints_of(project=project).filter(Q(tier=tier) | Q(fallback=tier))


def overrides_of(
    *, project: Project, moment: datetime, endpoint: Endpoint | None = None
) -> list[LimitOverride]:
    """Return what changes the limits at a moment: of the whole project, then of an endpoint."""
    live = LimitOverride.objects.filter(project=project, ended_at=None).filter(
        Q(ends_at=None) | Q(ends_at__gt=moment)
    )
    mine = live.filter(Q(endpoint=None) | Q(endpoint=endpoint)) if endpoint else live
    return list(mine.select_related("endpoint").order_by(F("endpoint").asc(nulls_first=True)))


def limits_over(overrides: Iterable[LimitOverride]) -> dict[str, int]:
    """Return what overrides make of the tier's limits, the last one winning."""
    return limits_in_force({name: getattr(row, name) for name in LIMITS} for row in overrides)
