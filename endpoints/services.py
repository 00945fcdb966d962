"""Changes to endpoints. Nothing else in the code base writes these rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from audit import services as audit
from catalog import selectors as catalog
from common import clock, outbox
from common.actor import SYSTEM, Actor
from common.names import check_region
from common.problems import Stale
from endpoints import allowance, rules, selectors
from endpoints.errors import (
    EndpointRetired,
    FallbackNotAllowed,
    ModelTooLarge,
    SlugMalformed,
    SlugTaken,
    TooManyEndpoints,
)
from endpoints.models import Endpoint, EndpointState
from projects.models import Project

if TYPE_CHECKING:
    from accounts.models import User
    from catalog.models import CatalogModel, ServiceTier, TierTerms


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What is said of an endpoint when it is opened.

    ``region``: where its machines have to be; empty: anywhere. ``fallback``: the tier that serves
    it at its own price when machines of the project's own can't; none: then nobody does.
    """

    project: Project
    slug: str
    model: CatalogModel
    tier: ServiceTier
    region: str = ""
    fallback: ServiceTier | None = None


def open_endpoint(
    new: NewEndpoint, *, opened_by: User | None = None, by: Actor = SYSTEM
) -> Endpoint:
    """Give a project a new permanent URL.

    Raises ``SlugMalformed``, ``SlugTaken``, ``RegionMalformed``, ``FallbackNotAllowed``,
    ``ModelTooLarge`` or ``TooManyEndpoints``.
    """
    fault = rules.fault_in_slug(new.slug)
    if fault:
        raise SlugMalformed(fault, param="slug")
    check_region(new.region)
    _check_fallback(new.tier, new.fallback)
    columns = {name: getattr(new, name) for name in new.__slots__}
    try:
        with transaction.atomic():
            for tier in filter(None, (new.tier, new.fallback)):
                _check_room(new.project, tier, new.model)
            endpoint = Endpoint.objects.create(created_by=opened_by, **columns)
            _note(endpoint, by, "endpoint.opened", _told(new))
            outbox.announce("endpoint", endpoint.pk)
    except IntegrityError as clash:
        raise SlugTaken(
            f"This project has, or had, an endpoint “{new.slug}”. Slugs are never reused.",
            param="slug",
        ) from clash
    return endpoint


def pause_endpoint(*, endpoint: Endpoint, by: Actor = SYSTEM) -> None:
    """Refuse new requests until it is resumed; what runs goes on."""
    _move(endpoint, EndpointState.PAUSED, by)


def resume_endpoint(*, endpoint: Endpoint, by: Actor = SYSTEM) -> None:
    """Answer again."""
    _move(endpoint, EndpointState.ACTIVE, by)


def retire_endpoint(*, endpoint: Endpoint, by: Actor = SYSTEM) -> None:
    """Close an endpoint for good. The row and its slug stay: usage names them."""
    _move(endpoint, EndpointState.RETIRED, by)


def change_endpoint(
    *,
    endpoint: Endpoint,
    by: Actor = SYSTEM,
    **said: Unpack[Change],
) -> None:
    """Change what may change, all or nothing; what is not said stays, or is none.

    An endpoint that leaves the project's own machines falls back to nobody any more. Raises
    ``Stale`` if it is no longer as ``endpoint`` shows it, and what ``open_endpoint`` raises.
    """
    changes = _changes(endpoint, said)
    if not changes:
        return
    with transaction.atomic():
        for name in ("tier", "fallback"):
            if changes.get(name) is not None:
                _check_room(endpoint.project, changes[name], endpoint.model)
        if not selectors.is_at_version(endpoint):
            raise Stale("The endpoint has changed since you read it. Read it again.")
        _change(endpoint, by=by, **changes)


class Change(TypedDict, total=False):
    """What may change in an endpoint's life. No ``state`` and no ``tier`` are no change."""

    state: str | None
    tier: ServiceTier | None
    region: str
    fallback: ServiceTier | None


def _changes(endpoint: Endpoint, said: Change) -> dict[str, Any]:
    """Return what is said and is not so already."""
    changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if "fallback" in said:
        changes["fallback"] = said["fallback"]
    tier = changes.get("tier", endpoint.tier)
    if not tier.is_self_hosted and endpoint.fallback is not None:
        changes.setdefault("fallback", None)
    check_region(changes.get("region", ""))
    _check_fallback(tier, changes.get("fallback"))
    # A state that is as it was is said again all the same: it is an order, not a fact.
    return {
        name: value
        for name, value in changes.items()
        if name == "state" or value != getattr(endpoint, name)
    }


def touch_endpoints(**criteria: int) -> list[int]:
    """Raise the version of every endpoint of something whose numbers or standing changed.

    ``criteria`` is ``tier_id=…``, ``model_id=…`` or ``project_id=…``. Returns the primary keys.
    """
    others = {"fallback_id" if name == "tier_id" else name: pk for name, pk in criteria.items()}
    touched = Endpoint.objects.filter(Q(**criteria) | Q(**others))
    touched.update(version=F("version") + 1)
    return list(touched.values_list("pk", flat=True))


def republish(*, project_id: int, tier_id: int) -> None:
    """Have the routes of a project on a tier told anew, all notes at once."""
    for primary_key in touch_endpoints(project_id=project_id, tier_id=tier_id):
        outbox.announce("endpoint", primary_key)


def _move(endpoint: Endpoint, state: EndpointState, by: Actor) -> None:
    with transaction.atomic():
        _change(endpoint, by=by, state=state)


def _change(endpoint: Endpoint, *, by: Actor = SYSTEM, **changes: object) -> None:
    changed = (
        Endpoint.objects.filter(pk=endpoint.pk)
        .exclude(state=EndpointState.RETIRED)
        .update(version=F("version") + 1, **changes)
    )
    if not changed:
        raise EndpointRetired("This endpoint was retired; open a new one.")
    for action, after in rules.told(changes):
        _note(endpoint, by, action, after)
    allowance.release(project=endpoint.project, tier=endpoint.tier)
    outbox.announce("endpoint", endpoint.pk)


def _note(endpoint: Endpoint, by: Actor, action: str, after: dict[str, object]) -> None:
    audit.record(
        by=by,
        action=action,
        project=endpoint.project.public_id,
        subject=("endpoint", endpoint.public_id),
        after={"slug": endpoint.slug, **after},
    )


def _told(new: NewEndpoint) -> dict[str, object]:
    told: dict[str, object] = {"model": new.model.name, "tier": new.tier.slug}
    if new.region:
        told["region"] = new.region
    return told | ({"fallback": new.fallback.slug} if new.fallback else {})


def _check_fallback(tier: ServiceTier, fallback: ServiceTier | None) -> None:
    if fallback is None:
        return
    fault = rules.fault_in_fallback(
        is_self_hosted=tier.is_self_hosted,
        to_self_hosted=fallback.is_self_hosted,
        to_allowance=catalog.has_allowance(fallback),
    )
    if fault:
        raise FallbackNotAllowed(fault, param="fallback")


def _check_room(project: Project, tier: ServiceTier, model: CatalogModel) -> None:
    """Refuse what a tier has no room for, before an endpoint is on it or falls back to it."""
    terms = catalog.terms_at(tier, clock.now())
    _check_size(model, terms)
    _check_counts(project, tier, terms, model)


def _check_size(model: CatalogModel, terms: TierTerms) -> None:
    if terms.max_model_bytes is not None and model.size_bytes > terms.max_model_bytes:
        raise ModelTooLarge(
            f"This tier serves models of up to {terms.largest_model}.", param="tier"
        )


def _check_counts(
    project: Project, tier: ServiceTier, terms: TierTerms, model: CatalogModel
) -> None:
    # Two tabs may ask at once: the project's row is the lock that makes the count true.
    Project.objects.select_for_update().get(pk=project.pk)
    living = selectors.on_tier(project=project, tier=tier)
    if terms.max_endpoints is not None and living.count() >= terms.max_endpoints:
        raise TooManyEndpoints(
            f"The {tier.name} tier has room for {_counted(terms.max_endpoints, 'endpoint')}. "
            "Retire one, or choose another tier.",
            param="tier",
        )
    models = set(living.values_list("model_id", flat=True)) | {model.pk}
    if terms.max_models is not None and len(models) > terms.max_models:
        raise TooManyEndpoints(
            f"The {tier.name} tier has room for {_counted(terms.max_models, 'model')}.",
            param="model",
        )
    if terms.monthly_tokens is not None:
        allowance.claim(project=project, tier=tier)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'} a project"
