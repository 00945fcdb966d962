"""Changes to the catalog and the tiers. Nothing else in the code base writes these rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from audit import services as audit
from catalog import defaults, facts, rules, selectors, terms
from catalog.errors import (
    ModelMalformed,
    ModelNameTaken,
    NothingChanges,
    TermsBegun,
    TermsInThePast,
    TermsMomentTaken,
)
from catalog.models import CatalogModel, ServiceTier, TierTerms
from common import clock, outbox
from common.actor import SYSTEM, Actor
from common.problems import Stale


def set_terms(
    *,
    tier: ServiceTier,
    numbers: Mapping[str, Any],
    effective_from: datetime | None = None,
    by: Actor = SYSTEM,
) -> TierTerms:
    """Give a tier new terms, from now or from a moment to come.

    ``numbers`` are fields of ``TierTerms``; what it leaves out is unlimited or the
    field's default. Raises ``TermsInThePast`` or ``TermsMomentTaken``.
    """
    now = clock.now()
    begin = effective_from or now
    _check_moment(begin, now)
    with transaction.atomic():
        ServiceTier.objects.select_for_update().get(pk=tier.pk)
        if tier.terms.filter(effective_from=begin).exists():
            raise TermsMomentTaken(
                "Other terms begin at this moment. Withdraw them, or choose another.",
                param="effective_from",
            )
        number = selectors.last_number(tier) + 1
        row = TierTerms.objects.create(
            tier=tier, number=number, effective_from=begin, **dict(numbers)
        )
        audit.record(
            by=by,
            action="tier.terms_set",
            subject=("tier", tier.slug),
            after={**numbers, "number": number, "effective_from": begin},
        )
        if begin <= now:
            _begin(row, now)
    return row


def supersede_terms(
    *,
    tier: ServiceTier,
    changes: Mapping[str, int | None],
    effective_from: datetime | None = None,
    by: Actor = SYSTEM,
) -> TierTerms:
    """Give a tier new terms that differ from those then in force in what is said, and nothing else.

    None is unlimited. Raises ``NothingChanges``, and what ``set_terms`` raises.
    """
    before = terms.of(terms_before(tier, effective_from))
    after = before | dict(changes)
    if before == after:
        raise NothingChanges("The new terms say what the old ones say. Change a number.")
    return set_terms(tier=tier, numbers=after, effective_from=effective_from, by=by)


def terms_before(tier: ServiceTier, effective_from: datetime | None) -> TierTerms:
    """Return the terms that new ones of a moment would start from. Raises ``TermsInThePast``."""
    now = clock.now()
    begin = effective_from or now
    _check_moment(begin, now)
    return selectors.terms_at(tier, begin)


def _check_moment(begin: datetime, now: datetime) -> None:
    if begin < now:
        raise TermsInThePast("New terms begin now or later.", param="effective_from")


def withdraw_terms(*, row: TierTerms, by: Actor = SYSTEM) -> None:
    """Take back terms that have not begun. Raises ``TermsBegun``."""
    with transaction.atomic():
        found = TierTerms.objects.select_for_update().filter(pk=row.pk, begun_at=None).first()
        if found is None or found.effective_from <= clock.now():
            raise TermsBegun("These terms have begun: requests were billed on them. Set new ones.")
        found.delete()
        audit.record(
            by=by,
            action="tier.terms_withdrawn",
            subject=("tier", row.tier.slug),
            after={"number": row.number, "effective_from": row.effective_from},
        )


def begin_due_terms() -> int:
    """Tell the data plane of terms whose moment has come. Returns how many there were."""
    now = clock.now()
    due = TierTerms.objects.filter(begun_at=None, effective_from__lte=now)
    with transaction.atomic():
        found = list(due.select_for_update(skip_locked=True))
        for row in found:
            _begin(row, now)
    return len(found)


def _begin(row: TierTerms, now: datetime) -> None:
    TierTerms.objects.filter(pk=row.pk).update(begun_at=now)
    outbox.announce("tier", row.tier_id)


def add_model(*, name: str, said: Mapping[str, Any], by: Actor = SYSTEM) -> CatalogModel:
    """Add a model to the catalog.

    Raises ``ModelMalformed``, and ``ModelNameTaken``: names that differ in nothing but their
    capitals are one.
    """
    fault = rules.fault_in_name(name)
    if fault:
        raise ModelMalformed(fault, param="name")
    facts.check(said)
    try:
        with transaction.atomic():
            model = CatalogModel.objects.create(name=name, **dict(said))
            _note_model(model, "model.added", said, by)
    except IntegrityError as clash:
        raise ModelNameTaken(
            f"The catalog has a model “{name}” already; a withdrawn one can be listed again.",
            param="name",
        ) from clash
    return model


def change_model(
    *, model: CatalogModel, changes: Mapping[str, Any], by: Actor = SYSTEM
) -> CatalogModel:
    """Change what is said of a model, and have its endpoints' routes told anew.

    What is not said stays. Raises ``ModelMalformed``, and ``Stale`` where somebody else has
    changed it since it was read.
    """
    facts.check(changes)
    with transaction.atomic():
        as_read = CatalogModel.objects.filter(pk=model.pk, version=model.version)
        if not as_read.update(version=F("version") + 1, **dict(changes)):
            raise Stale("The model has changed since you read it. Read it again.")
        model.refresh_from_db()
        _note_model(model, "model.changed", changes, by)
    return model


def withdraw_model(*, model: CatalogModel, by: Actor = SYSTEM) -> CatalogModel:
    """Offer a model no more: endpoints that have it go on, new ones can't take it."""
    return change_model(model=model, changes={"is_listed": False}, by=by)


def _note_model(model: CatalogModel, action: str, said: Mapping[str, Any], by: Actor) -> None:
    audit.record(
        by=by,
        action=action,
        subject=("model", model.public_id),
        after={"name": model.name, **said},
    )
    outbox.announce("model", model.pk)


def load_defaults() -> tuple[int, int]:
    """Add the tiers and models we ship, where they are missing. Changes nothing that is there.

    Returns how many tiers and models were added.
    """
    tiers = sum(_add_tier(rank, tier) for rank, tier in enumerate(defaults.TIERS))
    models = 0
    for name, fields in defaults.MODELS.items():
        if not CatalogModel.objects.filter(name=name).exists():
            add_model(name=name, said=fields)
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
                "accelerator": shipped.accelerator,
            },
        )
        if is_new:
            set_terms(tier=tier, numbers=shipped.numbers)
    return is_new
