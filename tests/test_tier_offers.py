"""A tier sells only machines that are there: by API and page, for a project and its rival."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from agents import offers, selectors
from agents.errors import TierUnavailable
from agents.services import suspend_worker
from agents.sightings import worker_health
from catalog.services import load_defaults
from endpoints.models import Endpoint
from inference.contracts.names import GATEWAYS, sighting_key
from projects.models import Project
from tests.make import make_backend, make_model, make_worker

pytestmark = pytest.mark.django_db

CHAT = {"model": "smollm2-135m-instruct"}
TIERS = "/{}/v1/management/tiers"
ENDPOINTS = "/{}/v1/management/endpoints"


@pytest.fixture
def plane() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.PLANE_VALKEY)
    client.delete(GATEWAYS)
    yield client
    client.delete(GATEWAYS)


def see(plane: redis.Redis, gateway: str, **workers: tuple[bool, float | None, int]) -> None:
    plane.set(sighting_key(gateway), json.dumps(workers), ex=15)
    plane.zadd(GATEWAYS, {gateway: time.time()})


def on_offer(client: APIClient, project: Project) -> set[str]:
    page = client.get(TIERS.format(project.public_id), CHAT).json()
    return {tier["id"] for tier in page["data"] if tier["unavailable"] is None}


def open_on(client: APIClient, project: Project, tier: str) -> tuple[int, str]:
    said = {"slug": f"on-{tier.replace('_', '-')}", "tier": tier, **CHAT}
    answer = client.post(ENDPOINTS.format(project.public_id), said, format="json")
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def test_only_tiers_with_a_machine_are_on_offer_and_can_be_opened(
    as_ada: APIClient, acme: Project
) -> None:
    load_defaults()
    make_worker(tiers=("free",))

    assert on_offer(as_ada, acme) == {"free"}
    assert open_on(as_ada, acme, "free") == (201, "")
    for tier in ("gpu_nvidia_shared", "cpu_intel_optimized", "self_hosted"):
        assert open_on(as_ada, acme, tier) == (409, "tier_unavailable")
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize(
    "owns",
    [
        pytest.param(lambda project: make_worker(project=project), id="by an operator"),
        pytest.param(make_backend, id="by URL"),
    ],
)
def test_machine_of_one_project_puts_self_hosted_on_offer_to_no_other(
    as_ada: APIClient, acme: Project, rival: Project, owns: Callable[[Project], object]
) -> None:
    load_defaults()
    as_rex = APIClient()
    as_rex.force_login(rival.memberships.get().user)
    owns(rival)

    assert on_offer(as_ada, acme) == set()
    assert open_on(as_ada, acme, "self_hosted") == (409, "tier_unavailable")
    assert on_offer(as_rex, rival) == {"self_hosted"}
    assert open_on(as_rex, rival, "self_hosted") == (201, "")


def test_machine_of_another_model_puts_no_tier_on_offer(as_ada: APIClient, acme: Project) -> None:
    load_defaults()
    make_worker(tiers=("free",), model="all-minilm-l6-v2")

    assert on_offer(as_ada, acme) == set()


def test_tier_whose_only_machine_is_suspended_or_seen_out_is_not_on_offer(
    plane: redis.Redis, acme: Project
) -> None:
    load_defaults()
    worker, model = make_worker(tiers=("free",)), make_model()
    assert offers.chosen_tier("free", project=acme, model=model).slug == "free"

    see(plane, "one", **{worker.public_id: (True, None, 0)})
    with pytest.raises(TierUnavailable):
        offers.chosen_tier("free", project=acme, model=model)

    see(plane, "two", **{worker.public_id: (False, time.time(), 3)})
    assert offers.chosen_tier("free", project=acme, model=model).slug == "free"

    suspend_worker(worker=worker)
    with pytest.raises(TierUnavailable):
        offers.chosen_tier("free", project=acme, model=model)


def test_gateways_that_fell_silent_are_not_believed(plane: redis.Redis, db: None) -> None:
    worker = make_worker()
    see(plane, "gone", **{worker.public_id: (True, None, 1)})
    plane.zadd(GATEWAYS, {"gone": time.time() - 60})

    health = worker_health([worker.public_id])[worker.public_id]

    assert (health.is_seen, health.is_out, health.running) == (False, False, 0)
    assert selectors.alive(selectors.all_workers()) == [worker]


def test_what_gateways_see_of_a_worker_is_put_together(plane: redis.Redis, db: None) -> None:
    worker = make_worker()
    see(plane, "one", **{worker.public_id: (False, 1_000.0, 2)})
    see(plane, "two", **{worker.public_id: (True, 2_000.0, 3)})

    health = worker_health([worker.public_id])[worker.public_id]

    assert (health.is_seen, health.is_out, health.running) == (True, False, 5)
    assert health.answered_at is not None
    assert health.answered_at.timestamp() == 2_000.0


def test_form_says_why_a_tier_cannot_be_had(client: Client, acme: Project) -> None:
    load_defaults()
    make_worker(tiers=("free",))
    client.force_login(acme.memberships.get().user)

    form = reverse("project:new-endpoint", args=[acme.public_id])
    text = client.get(f"{form}?model={CHAT['model']}").content.decode()

    assert text.count(offers.NO_MACHINE) == 5
    assert offers.NO_OWN in text
    assert "Served now by 1 machine" in text
    assert "Nobody serves this yet" in text
