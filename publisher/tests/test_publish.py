"""What changes in the control plane reaches the data plane, newest state last, whatever dies."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import transaction

from agents.services import retire_worker
from apikeys import passes
from apikeys.models import KeySecret
from apikeys.services import issue_key, revoke_key
from catalog.models import TierTerms
from catalog.services import begin_due_terms, set_terms
from common import clock, deliveries
from common.models import OutboxEntry
from endpoints.services import pause_endpoint, retire_endpoint
from inference.contracts import pass_keys
from inference.contracts.entries import Grant, Pool, Route, load
from inference.contracts.names import CHANGES, grant_key, pool_key, route_key
from projects.models import Project
from publisher import services, store
from publisher.entries import Entry
from tests.make import make_endpoint, make_key, make_tier, make_worker

pytestmark = pytest.mark.django_db(transaction=True)


def grant_in(valkey: redis.Redis, digest: str) -> Grant:
    return load(Grant, str(valkey.get(grant_key(digest))))


def route_in(valkey: redis.Redis, project: Project, slug: str) -> Route:
    return load(Route, str(valkey.get(route_key(project.public_id, slug))))


def test_new_key_is_there_when_the_call_returns(valkey: redis.Redis, acme: Project) -> None:
    issued = make_key(acme)

    grant = grant_in(valkey, KeySecret.objects.get(key=issued.key).digest)
    assert (grant.key_id, grant.project) == (issued.key.public_id, acme.public_id)
    assert (grant.version, grant.gone, grant.scopes) == (1, False, ("inference",))
    assert not OutboxEntry.objects.filter(sent_at=None).exists()


def test_revoked_key_becomes_a_tombstone_and_everyone_is_told(
    valkey: redis.Redis, acme: Project
) -> None:
    issued = make_key(acme)
    digest = KeySecret.objects.get(key=issued.key).digest
    listener: Any = valkey.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # why: redis-py leaves it untyped
    listener.subscribe(CHANGES)
    listener.get_message(timeout=1)

    revoke_key(key=issued.key)

    heard = listener.get_message(timeout=1)
    assert heard is not None
    assert json.loads(heard["data"]) == {"key": grant_key(digest), "version": 2}
    assert grant_in(valkey, digest).gone
    listener.close()


def test_slow_publisher_cannot_revive_a_revoked_key(valkey: redis.Redis) -> None:
    store.put([Entry("grant:x", 2, '{"version":2,"gone":true}')])

    written = store.put([Entry("grant:x", 1, '{"version":1,"gone":false}')])

    assert written == 0
    assert json.loads(str(valkey.get("grant:x")))["gone"] is True


def test_nothing_is_published_before_the_commit(valkey: redis.Redis, acme: Project) -> None:
    with transaction.atomic():
        endpoint = make_endpoint(acme, "chat")
        before = valkey.get(route_key(acme.public_id, "chat"))

    assert before is None
    assert route_in(valkey, acme, "chat").endpoint_id == endpoint.public_id


def test_route_says_its_terms_and_pools(valkey: redis.Redis, acme: Project) -> None:
    make_endpoint(acme, "chat", tier="free")

    route = route_in(valkey, acme, "chat")

    assert route.pools == ("shared/free/smollm2-135m-instruct",)
    assert (route.terms.tier, route.terms.requests_per_min, route.terms.concurrent) == (
        "free",
        64,
        5,
    )
    assert (route.task, route.context_length) == ("generate", 2048)


def test_pause_and_retirement_reach_the_plane(valkey: redis.Redis, acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")

    pause_endpoint(endpoint=endpoint)
    assert route_in(valkey, acme, "chat").paused

    retire_endpoint(endpoint=endpoint)
    assert route_in(valkey, acme, "chat").gone


def test_pool_holds_active_workers_with_sealed_credentials(valkey: redis.Redis, db: None) -> None:
    worker = make_worker()
    retire_worker(worker=make_worker())

    pool = load(Pool, str(valkey.get(pool_key("shared/free/smollm2-135m-instruct"))))

    assert [found.worker_id for found in pool.workers] == [worker.public_id]
    assert pool.version == 3
    assert "worker-secret" not in str(pool)


def test_terms_that_begin_later_reach_the_plane_when_their_moment_comes(
    valkey: redis.Redis, acme: Project
) -> None:
    make_endpoint(acme, "chat", tier="free")
    numbers = {"concurrent": 9, "request_timeout_s": 1, "idle_timeout_s": 1, "priority": 1}
    later = clock.now() + timedelta(hours=1)
    terms = set_terms(tier=make_tier("free"), numbers=numbers, effective_from=later)
    assert route_in(valkey, acme, "chat").terms.concurrent == 5

    TierTerms.objects.filter(pk=terms.pk).update(effective_from=clock.now())
    begin_due_terms()

    assert route_in(valkey, acme, "chat").terms.concurrent == 9


def test_note_waits_while_valkey_is_away_and_is_carried_later(
    valkey: redis.Redis, acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = redis.Redis(host="127.0.0.1", port=1)
    with monkeypatch.context() as patch:
        patch.setattr(store, "client", lambda: away)
        issued = issue_key(project=acme, name="ci")
    digest = KeySecret.objects.get(key=issued.key).digest
    assert valkey.get(grant_key(digest)) is None

    carried = deliveries.carry_due()

    assert carried == 1
    assert grant_in(valkey, digest).key_id == issued.key.public_id


def test_reconcile_mends_an_emptied_store_and_writes_nothing_twice(
    valkey: redis.Redis, acme: Project
) -> None:
    make_key(acme)
    make_endpoint(acme, "chat")
    make_worker()
    valkey.flushdb()

    # A grant, a route, and the model's pool on each of the two tiers there are.
    assert services.reconcile() == 4
    assert services.reconcile() == 0


def test_keys_of_passes_are_told_anew_when_the_platform_has_another_address(
    valkey: redis.Redis, settings: Any
) -> None:
    def issuer() -> str:
        return pass_keys.load(str(valkey.get(pass_keys.NAME))).issuer

    passes.sign({"sub": "agt_x"})
    services.reconcile()
    before = issuer()
    settings.PUBLIC_URL = "http://localhost:9000"

    services.reconcile()

    assert before != issuer() == "http://localhost:9000"
    assert services.reconcile() == 0
