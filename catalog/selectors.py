"""Questions about models and tiers. The catalog belongs to everyone."""

from __future__ import annotations

from datetime import datetime

from django.db.models import CharField, Max, Prefetch, Q, QuerySet
from django.db.models.functions import Cast

from catalog.models import CatalogModel, ServiceTier, TierTerms
from common import clock


def listed_models() -> QuerySet[CatalogModel]:
    """Return what may be deployed, by title."""
    return CatalogModel.objects.filter(is_listed=True).order_by("title")


def listed_names() -> list[str]:
    """Return the names of what may be deployed."""
    return list(CatalogModel.objects.filter(is_listed=True).values_list("name", flat=True))


def all_names() -> list[str]:
    """Return the names that models of the catalog have, withdrawn ones too."""
    return list(CatalogModel.objects.values_list("name", flat=True))


def tasks() -> dict[str, str]:
    """Return what each model is for that may be deployed, by its name."""
    return dict(CatalogModel.objects.filter(is_listed=True).values_list("name", "task"))


def needed_accelerators() -> dict[str, str]:
    """Return the kind of accelerator that each tier asks for, by its slug, if it asks for one."""
    rows = ServiceTier.objects.exclude(accelerator="")
    return dict(rows.values_list("slug", "accelerator"))


def listed_model(name: str) -> CatalogModel | None:
    """Return one listed model by its name, however its capitals are written."""
    return listed_models().filter(name__iexact=name).first()


def all_models() -> QuerySet[CatalogModel]:
    """Return every model, withdrawn ones too, by title: for operators."""
    return CatalogModel.objects.order_by("title")


def model_named(name: str) -> CatalogModel | None:
    """Return a model by its name or id, also a withdrawn one: for operators."""
    named = Q(name__iexact=name) | Q(public_id=name)
    return all_models().filter(named).first()


def offered_tiers() -> QuerySet[ServiceTier]:
    """Return the tiers an endpoint may be created on, in order, their terms at hand."""
    return (
        ServiceTier.objects.filter(is_offered=True)
        .prefetch_related(Prefetch("terms", TierTerms.objects.order_by("-effective_from")))
        .order_by("rank", "slug")
    )


def offered_tier(slug: str) -> ServiceTier | None:
    """Return one offered tier."""
    return offered_tiers().filter(slug=slug).first()


def shared_tiers() -> list[str]:
    """Return the slugs of the tiers that shared machines serve, no longer offered ones too."""
    tiers = ServiceTier.objects.filter(is_self_hosted=False).order_by("rank", "slug")
    return list(tiers.values_list("slug", flat=True))


def tier_named(slug: str) -> ServiceTier | None:
    """Return a tier by its slug, also one that is not offered any more."""
    return all_tiers().filter(slug=slug).first()


def terms_to_come(tier: ServiceTier, moment: datetime) -> QuerySet[TierTerms]:
    """Return a tier's terms that have not begun, the next first."""
    return tier.terms.filter(effective_from__gt=moment).order_by("effective_from")


def self_hosted_tier() -> ServiceTier | None:
    """Return the tier on whose terms projects' own machines are billed: the first of its kind."""
    return ServiceTier.objects.filter(is_self_hosted=True).order_by("rank", "slug").first()


def all_tiers() -> QuerySet[ServiceTier]:
    """Return every tier, also those that are not offered any more."""
    return ServiceTier.objects.order_by("rank", "slug")


def tier_by_pk(primary_key: int) -> ServiceTier:
    """Return a tier."""
    return ServiceTier.objects.get(pk=primary_key)


def has_allowance(tier: ServiceTier) -> bool:
    """Say whether a tier's terms in force give so many tokens a month and no more."""
    return terms_at(tier, clock.now()).monthly_tokens is not None


def terms_at(tier: ServiceTier, moment: datetime) -> TierTerms:
    """Return the terms of a tier in force at a moment. Every tier has some from its first day."""
    return tier.terms.filter(effective_from__lte=moment).latest("effective_from")


def last_number(tier: ServiceTier) -> int:
    """Return the highest number of a tier's terms, 0 if it has none."""
    return tier.terms.aggregate(last=Max("number"))["last"] or 0


def terms_of(tier: ServiceTier) -> QuerySet[TierTerms]:
    """Return all terms a tier ever had or will have, newest first; ``cursor`` names each."""
    return tier.terms.annotate(cursor=Cast("number", CharField())).order_by("-pk")


def terms_called(tier: ServiceTier, cursor: str) -> TierTerms | None:
    """Return the terms of a tier by what names them in its list."""
    rows = tier.terms.annotate(cursor=Cast("number", CharField())).filter(cursor=cursor)
    return rows.select_related("tier").first()


def terms_numbered(*, tier: str, number: int) -> TierTerms | None:
    """Return the terms that a tier, by its slug, had under a number."""
    return TierTerms.objects.filter(tier__slug=tier, number=number).first()
