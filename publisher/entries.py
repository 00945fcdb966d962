"""Entries: rows, as they are now, turned into the contracts the data plane reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings

from apikeys import selectors as apikeys
from apikeys.models import ApiKey
from catalog import selectors as catalog
from catalog.models import ServiceTier, TierTerms
from common import clock
from endpoints import allowance
from endpoints import selectors as endpoints
from endpoints.models import Endpoint, EndpointState
from inference.contracts import pass_keys as signers
from inference.contracts.entries import Grant, Route, Terms, dump
from inference.contracts.names import grant_key, own_pool, route_key, shared_pool
from projects.models import Project


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to lay into Valkey: under which name, of which version, and what."""

    key: str
    version: int
    payload: str
    pool: str = ""
    """The name of a pool, if it is one that ``is_staffed`` or not."""
    is_staffed: bool = False


def grants_of(key: ApiKey) -> Iterator[Entry]:
    """Yield an entry for each secret of a key; tombstones if it or its project is closed."""
    for secret in key.secrets.all():
        grant = Grant(
            version=key.version,
            key_id=key.public_id,
            project=key.project.public_id,
            scopes=tuple(key.scopes),
            expires_at=_earliest(key.expires_at, secret.ends_at),
            endpoint=key.endpoint.slug if key.endpoint else None,
            ip_allow=tuple(key.ip_allow),
            ip_block=tuple(key.ip_block),
            **Grant.figures_of(key),
            gone=key.revoked_at is not None or key.project.delete_after is not None,
            secret_id=secret.pk,
        )
        yield Entry(grant_key(secret.digest), grant.version, dump(grant))


def route_of(endpoint: Endpoint) -> Entry:
    """Return the entry of an endpoint on the terms in force now.

    A retired one's is a tombstone, and so is that of a project marked for deletion.
    """
    project = endpoint.project.public_id
    model = endpoint.model
    now = clock.now()
    terms, pools = _served_on(endpoint, endpoint.tier, now)
    route = Route(
        version=endpoint.version,
        project=project,
        endpoint=endpoint.slug,
        endpoint_id=endpoint.public_id,
        model=model.name,
        task=model.task,
        terms=terms,
        pools=pools,
        context_length=model.context_length,
        capabilities=tuple(model.capabilities),
        created_at=int(endpoint.created_at.timestamp()),
        defaults=model.defaults,
        paused=endpoint.state == EndpointState.PAUSED,
        # A pass of a person has no key that ends with the project; its endpoints do.
        gone=endpoint.state == EndpointState.RETIRED or endpoint.project.delete_after is not None,
        suspended=endpoint.project.suspension_reason if endpoint.project.is_suspended(now) else "",
        origins=tuple(endpoint.project.origins),
        region=endpoint.region,
    )
    if endpoint.fallback is not None:
        terms, pools = _served_on(endpoint, endpoint.fallback, now)
        route = replace(route, fallback=replace(route, terms=terms, pools=pools))
    return Entry(route_key(project, endpoint.slug), route.version, dump(route))


def pass_keys() -> Entry:
    """Return the entry of the keys that sign passes; its version is the sum of theirs."""
    rows = list(apikeys.signing_keys())
    now = clock.now()
    keys = signers.PassKeys(
        version=sum(row.version for row in rows),
        issuer=settings.PUBLIC_URL,
        audience=signers.AUDIENCE,
        keys=tuple(
            signers.PassKey(row.kid, row.x, row.ends_at.timestamp() if row.ends_at else None)
            for row in rows
            if row.ends_at is None or row.ends_at > now
        ),
    )
    return Entry(signers.NAME, keys.version, signers.dump(keys))


def _served_on(
    endpoint: Endpoint, tier: ServiceTier, now: datetime
) -> tuple[Terms, tuple[str, ...]]:
    """Return the terms and the pools of an endpoint on a tier: its own, or its fallback."""
    model = endpoint.model.name
    if tier.is_self_hosted:
        pool = own_pool(endpoint.project.public_id, model)
    else:
        pool = shared_pool(tier.slug, model)
    return _terms_of(endpoint, tier, now), (pool,)


def _terms_of(endpoint: Endpoint, tier: ServiceTier, now: datetime) -> Terms:
    """Return the tier's terms in force, with the limits that an operator gave this tenant."""
    terms = _terms(endpoint.project, tier, catalog.terms_at(tier, now))
    found = endpoints.overrides_of(project=endpoint.project, moment=now, endpoint=endpoint)
    other: dict[str, Any] = endpoints.limits_over(found)
    return replace(terms, **other) if other else terms


def _terms(project: Project, tier: ServiceTier, row: TierTerms) -> Terms:
    monthly = row.monthly_tokens
    if monthly and not allowance.is_held(project=project, tier=tier):
        monthly = 0  # It is one a person, and with another project of theirs.
    return Terms(
        tier=tier.slug,
        version=row.number,
        requests_per_min=row.requests_per_min,
        tokens_per_min=row.tokens_per_min,
        concurrent=row.concurrent,
        request_timeout_s=float(row.request_timeout_s),
        idle_timeout_s=float(row.idle_timeout_s),
        priority=row.priority,
        price_per_million=row.price_per_million,
        cached_percent=row.cached_percent,
        monthly_tokens=monthly,
        least_hold=1 if row.price_per_agent_hour else 0,
    )


def _earliest(*moments: datetime | None) -> float | None:
    known = [moment.timestamp() for moment in moments if moment is not None]
    return min(known) if known else None
