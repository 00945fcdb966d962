"""Changes to the catalog and the tiers. Nothing else in the code base writes these rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from audit import services as audit
from catalog import defaults, selectors
from catalog.errors import TermsInThePast
from catalog.models import CatalogModel, ServiceTier, TierTerms
from common import clock, outbox
from common.actor import SYSTEM, Actor


def set_terms(
    *,
    tier: ServiceTier,
    numbers: Mapping[str, Any],
    effective_from: datetime | None = None,
    by: Actor = SYSTEM,
) -> TierTerms:
    """Give a tier new terms, from now or from a moment to come.

    ``numbers`` are fields of ``TierTerms``; what it leaves out is unlimited or the
    field's default. Raises ``TermsInThePast``.
    """
    now = clock.now()
    begin = effective_from or now
    if begin < now:
        raise TermsInThePast("New terms begin now or later.", param="effective_from")
    with transaction.atomic():
        ServiceTier.objects.select_for_update().get(pk=tier.pk)
        number = selectors.last_number(tier) + 1
        terms = TierTerms.objects.create(
            tier=tier, number=number, effective_from=begin, **dict(numbers)
        )
        audit.record(
            by=by,
            action="tier.terms_set",
            subject=("tier", tier.slug),
            after={**numbers, "number": number, "effective_from": begin},
        )
        if begin <= now:
            _begin(terms, now)
    return terms


def begin_due_terms() -> int:
    """Tell the data plane of terms whose moment has come. Returns how many there were."""
    now = clock.now()
    due = TierTerms.objects.filter(begun_at=None, effective_from__lte=now)
    with transaction.atomic():
        found = list(due.select_for_update(skip_locked=True))
        for terms in found:
            _begin(terms, now)
    return len(found)


def _begin(terms: TierTerms, now: datetime) -> None:
    TierTerms.objects.filter(pk=terms.pk).update(begun_at=now)
    outbox.announce("tier", terms.tier_id)


def save_model(*, name: str, fields: Mapping[str, Any], by: Actor = SYSTEM) -> CatalogModel:
    """Add a model to the catalog, or change what is said of it."""
    with transaction.atomic():
        model, is_new = CatalogModel.objects.select_for_update().get_or_create(
            name=name, defaults=dict(fields)
        )
        if not is_new:
            CatalogModel.objects.filter(pk=model.pk).update(
                version=F("version") + 1, **dict(fields)
            )
            model.refresh_from_db()
        audit.record(
            by=by,
            action="model.added" if is_new else "model.changed",
            subject=("model", model.public_id),
            after={"name": name, **fields},
        )
        outbox.announce("model", model.pk)
    return model


def load_defaults() -> tuple[int, int]:
    """Add the tiers and models we ship, where they are missing. Changes nothing that is there.

    Returns how many tiers and models were added.
    """
    tiers = sum(_add_tier(rank, tier) for rank, tier in enumerate(defaults.TIERS))
    models = 0
    for name, fields in defaults.MODELS.items():
        if not CatalogModel.objects.filter(name=name).exists():
            save_model(name=name, fields=fields)
            models += 1
    return tiers, models


def _add_tier(rank: int, shipped: defaults.ShippedTier) -> bool:
    with transaction.atomic():
        tier, is_new = ServiceTier.objects.get_or_create(
            slug=shipped.slug,
            defaults={
                "name": shipped.name,
                "summary": shipped.summary,
                "rank": rank,
                "is_preemptible": shipped.is_preemptible,
                "is_self_hosted": shipped.is_self_hosted,
            },
        )
        if is_new:
            set_terms(tier=tier, numbers=shipped.numbers)
    return is_new
