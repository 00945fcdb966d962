"""Changes to endpoints. Nothing else in the code base writes these rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F

from audit import services as audit
from catalog import selectors as catalog
from common import clock, outbox
from common.actor import SYSTEM, Actor
from common.problems import Stale
from endpoints import allowance, rules, selectors
from endpoints.errors import (
    EndpointRetired,
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


def open_endpoint(
    *,
    project: Project,
    slug: str,
    model: CatalogModel,
    tier: ServiceTier,
    opened_by: User | None = None,
    by: Actor = SYSTEM,
) -> Endpoint:
    """Give a project a new permanent URL.

    Raises ``SlugMalformed``, ``SlugTaken``, ``ModelTooLarge`` or ``TooManyEndpoints``.
    """
    fault = rules.fault_in_slug(slug)
    if fault:
        raise SlugMalformed(fault, param="slug")
    terms = catalog.terms_at(tier, clock.now())
    _check_size(model, terms)
    try:
        with transaction.atomic():
            _check_counts(project, tier, terms, model)
            endpoint = Endpoint.objects.create(
                project=project, slug=slug, model=model, tier=tier, created_by=opened_by
            )
            _note(endpoint, by, "endpoint.opened", {"model": model.name, "tier": tier.slug})
            outbox.announce("endpoint", endpoint.pk)
    except IntegrityError as clash:
        raise SlugTaken(
            f"This project has, or had, an endpoint “{slug}”. Slugs are never reused.",
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
    state: str | None = None,
    tier: ServiceTier | None = None,
    by: Actor = SYSTEM,
) -> None:
    """Change what may change, all or nothing; what is not said stays.

    Raises ``Stale`` if the endpoint is no longer as ``endpoint`` shows it.
    """
    changes = {"state": state, "tier": tier}
    said = {name: value for name, value in changes.items() if value is not None}
    if tier is not None and tier.pk == endpoint.tier_id:
        said.pop("tier")
    if not said:
        return
    with transaction.atomic():
        if "tier" in said and tier is not None:
            terms = catalog.terms_at(tier, clock.now())
            _check_size(endpoint.model, terms)
            _check_counts(endpoint.project, tier, terms, endpoint.model)
        if not selectors.is_at_version(endpoint):
            raise Stale("The endpoint has changed since you read it. Read it again.")
        _change(endpoint, by=by, **said)


def touch_endpoints(**criteria: int) -> list[int]:
    """Raise the version of every endpoint of something whose numbers or standing changed.

    ``criteria`` is ``tier_id=…``, ``model_id=…`` or ``project_id=…``. Returns the primary keys.
    """
    touched = Endpoint.objects.filter(**criteria)
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
