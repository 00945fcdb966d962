"""Whose machines serve whom: pools by owner and tier, and nothing ever revives."""

from __future__ import annotations

import pytest
import redis

from agents.services import change_worker, retire_worker, suspend_worker
from endpoints.services import change_endpoint
from inference.contracts.entries import Pool, Route, load
from inference.contracts.names import POOLS, own_pool, pool_key, route_key, shared_pool
from projects.models import Project
from publisher.machines import pools_of
from publisher.services import reconcile
from publisher.store import put
from tests.make import make_endpoint, make_tier, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

MODEL = "smollm2-135m-instruct"


def pool_in(valkey: redis.Redis, name: str) -> Pool:
    return load(Pool, str(valkey.get(pool_key(name))))


def ids(valkey: redis.Redis, name: str) -> list[str]:
    return [worker.worker_id for worker in pool_in(valkey, name).workers]


def test_self_hosted_endpoint_names_its_projects_own_pool_and_no_shared_one(
    valkey: redis.Redis, acme: Project
) -> None:
    make_worker()
    make_endpoint(acme, "mine", tier="self_hosted")

    route = load(Route, str(valkey.get(route_key(acme.public_id, "mine"))))

    assert route.pools == (own_pool(acme.public_id, MODEL),)
    assert valkey.get(pool_key(route.pools[0])) is None


def test_own_worker_is_in_its_projects_pool_alone(
    valkey: redis.Redis, acme: Project, rival: Project
) -> None:
    make_tier("free")
    own = make_worker(project=acme)

    assert ids(valkey, own_pool(acme.public_id, MODEL)) == [own.public_id]
    assert valkey.get(pool_key(own_pool(rival.public_id, MODEL))) is None
    found = {key for key in valkey.scan_iter("pool:*") if own.public_id in str(valkey.get(key))}
    assert found == {pool_key(own_pool(acme.public_id, MODEL))}


def test_shared_worker_is_in_the_pools_of_its_tiers_alone(valkey: redis.Redis, db: None) -> None:
    make_tier("gpu_nvidia_shared")
    worker = make_worker(tiers=("free",))

    assert ids(valkey, shared_pool("free", MODEL)) == [worker.public_id]
    assert ids(valkey, shared_pool("gpu_nvidia_shared", MODEL)) == []


def test_worker_that_moves_between_tiers_leaves_one_pool_for_the_other(
    valkey: redis.Redis, db: None
) -> None:
    make_tier("gpu_nvidia_shared")
    worker = make_worker(tiers=("free",))
    before = [pool_in(valkey, shared_pool(t, MODEL)).version for t in ("free", "gpu_nvidia_shared")]

    change_worker(worker=worker, tiers=["gpu_nvidia_shared"])

    assert ids(valkey, shared_pool("free", MODEL)) == []
    assert ids(valkey, shared_pool("gpu_nvidia_shared", MODEL)) == [worker.public_id]
    after = [pool_in(valkey, shared_pool(t, MODEL)).version for t in ("free", "gpu_nvidia_shared")]
    assert all(new > old for old, new in zip(before, after, strict=True))


def test_slow_publisher_revives_no_worker_in_a_pool_it_left(valkey: redis.Redis, db: None) -> None:
    make_tier("gpu_nvidia_shared")
    worker = make_worker(tiers=("free",))
    late = list(pools_of(MODEL, None))

    change_worker(worker=worker, tiers=["gpu_nvidia_shared"])
    retire_worker(worker=make_worker(tiers=("free",)))

    assert put(late) == 0
    assert ids(valkey, shared_pool("free", MODEL)) == []


def test_gateways_are_told_which_pools_hold_workers(
    valkey: redis.Redis, acme: Project, db: None
) -> None:
    own, shared = make_worker(project=acme), make_worker(tiers=("free",))
    names = {own_pool(acme.public_id, MODEL), shared_pool("free", MODEL)}
    assert valkey.smembers(POOLS) == names

    suspend_worker(worker=own)
    retire_worker(worker=shared)
    assert valkey.smembers(POOLS) == set()

    valkey.sadd(POOLS, own_pool(acme.public_id, MODEL))
    reconcile()
    assert valkey.smembers(POOLS) == set()


def test_endpoint_that_moves_to_self_hosted_leaves_the_shared_machines(
    valkey: redis.Redis, acme: Project
) -> None:
    endpoint = make_endpoint(acme, "chat", tier="free")

    change_endpoint(endpoint=endpoint, tier=make_tier("self_hosted"))

    route = load(Route, str(valkey.get(route_key(acme.public_id, "chat"))))
    assert route.pools == (own_pool(acme.public_id, MODEL),)


def test_route_names_its_region_and_the_platforms_machines_it_falls_back_to(
    valkey: redis.Redis, acme: Project
) -> None:
    make_worker(tiers=("gpu_nvidia_shared",), region="eu")
    make_endpoint(acme, "mine", tier="self_hosted", region="eu", fallback="gpu_nvidia_shared")

    route = load(Route, str(valkey.get(route_key(acme.public_id, "mine"))))

    assert (route.region, route.pools) == ("eu", (own_pool(acme.public_id, MODEL),))
    assert (route.terms.tier, route.terms.price_per_million) == ("self_hosted", 0)
    assert route.fallback is not None
    assert route.fallback.pools == (shared_pool("gpu_nvidia_shared", MODEL),)
    assert route.fallback.terms.tier == "gpu_nvidia_shared"
    assert route.fallback.terms.price_per_million == 1_250_000
    assert route.fallback.terms.least_hold == 0
    [worker] = pool_in(valkey, route.fallback.pools[0]).workers
    assert worker.region == "eu"


def test_shared_machines_are_in_no_route_that_has_no_fallback(
    valkey: redis.Redis, acme: Project
) -> None:
    make_endpoint(acme, "mine", tier="self_hosted")
    endpoint = make_endpoint(acme, "falls", tier="self_hosted", fallback="gpu_nvidia_shared")

    change_endpoint(endpoint=endpoint, fallback=None)

    for slug in ("mine", "falls"):
        route = load(Route, str(valkey.get(route_key(acme.public_id, slug))))
        assert route.fallback is None
