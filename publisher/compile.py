"""Turn rows, as they are now, into the contracts the data plane reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from agents import selectors as agents
from agents.models import WorkerState
from apikeys import selectors as apikeys
from apikeys.models import ApiKey
from catalog import selectors as catalog
from catalog.models import TierTerms
from common import clock
from endpoints.models import Endpoint, EndpointState
from inference import pass_keys as signers
from inference.contracts import (
    Grant,
    Pool,
    Route,
    Terms,
    Worker,
    dump,
    grant_key,
    pool_key,
    route_key,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to lay into Valkey: under which name, of which version, and what."""

    key: str
    version: int
    payload: str


def pool_name(model_name: str) -> str:
    """Name the pool of the workers that everyone shares for a model."""
    return f"shared/{model_name}"


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
            quota_requests=key.quota_requests,
            quota_window_s=key.quota_window_s,
            gone=key.revoked_at is not None or key.project.delete_after is not None,
            secret_id=secret.pk,
        )
        yield Entry(grant_key(secret.digest), grant.version, dump(grant))


def route_of(endpoint: Endpoint) -> Entry:
    """Return the entry of an endpoint on the terms in force now; a retired one's is a tombstone."""
    project = endpoint.project.public_id
    model = endpoint.model
    now = clock.now()
    route = Route(
        version=endpoint.version,
        project=project,
        endpoint=endpoint.slug,
        endpoint_id=endpoint.public_id,
        model=model.name,
        task=model.task,
        terms=_terms(endpoint.tier.slug, catalog.terms_at(endpoint.tier, now)),
        pools=(pool_name(model.name),),
        context_length=model.context_length,
        created_at=int(endpoint.created_at.timestamp()),
        defaults=model.defaults,
        paused=endpoint.state == EndpointState.PAUSED,
        gone=endpoint.state == EndpointState.RETIRED,
        suspended=endpoint.project.suspension_reason if endpoint.project.is_suspended(now) else "",
    )
    return Entry(route_key(project, endpoint.slug), route.version, dump(route))


def pool_of(model_name: str) -> Entry:
    """Return the entry of a model's shared pool.

    Its version is the sum of its workers' versions: no worker ever leaves the sum and
    none changes its model, so any change raises it.
    """
    rows = list(agents.workers_of_model(model_name))
    workers = tuple(
        Worker(
            worker_id=row.public_id,
            url=row.url,
            model=row.served_name or row.model_name,
            operations=tuple(row.operations),
            credential=row.credential,
            slots=row.slots,
        )
        for row in rows
        if row.state == WorkerState.ACTIVE
    )
    name = pool_name(model_name)
    pool = Pool(version=sum(row.version for row in rows), name=name, workers=workers)
    return Entry(pool_key(name), pool.version, dump(pool))


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


def _terms(tier: str, row: TierTerms) -> Terms:
    return Terms(
        tier=tier,
        version=row.number,
        requests_per_min=row.requests_per_min,
        tokens_per_min=row.tokens_per_min,
        concurrent=row.concurrent,
        request_timeout_s=float(row.request_timeout_s),
        idle_timeout_s=float(row.idle_timeout_s),
        priority=row.priority,
        price_per_million=row.price_per_million,
        cached_percent=row.cached_percent,
        monthly_tokens=row.monthly_tokens,
    )


def _earliest(*moments: datetime | None) -> float | None:
    known = [moment.timestamp() for moment in moments if moment is not None]
    return min(known) if known else None
