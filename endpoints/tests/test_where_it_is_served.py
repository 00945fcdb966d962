"""Where an endpoint is served: its region, and the tier that steps in for own machines."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.services import suspend_worker
from audit.models import AuditEntry
from catalog.services import load_defaults
from common.names import RegionMalformed
from endpoints import rules, selectors
from endpoints.errors import FallbackNotAllowed, ModelTooLarge
from endpoints.models import Endpoint
from endpoints.services import change_endpoint, touch_endpoints
from endpoints.tests.test_moving_between_tiers import as_new, move
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_model, make_tier, make_worker

pytestmark = pytest.mark.django_db

CHAT = {"model": "smollm2-135m-instruct"}


@pytest.fixture
def mine(acme: Project) -> Project:
    load_defaults()
    make_worker(tiers=("free", "gpu_nvidia_shared"), region="eu")
    make_worker(project=acme, region="eu")
    make_worker(project=acme, region="us")
    return acme


def open_at(client: APIClient, project: Project, **said: Any) -> tuple[int, dict[str, Any]]:
    body = {"slug": "chat", "tier": "self_hosted", **CHAT, **said}
    url = f"/{project.public_id}/v1/management/endpoints"
    answer = client.post(url, body, format="json")
    return answer.status_code, answer.json()


def fresh(slug: str = "chat") -> Endpoint:
    return Endpoint.objects.get(slug=slug)


@pytest.mark.parametrize(
    ("is_self_hosted", "to_self_hosted", "to_allowance", "words"),
    [
        (True, False, False, ""),
        (False, False, False, "Only an endpoint on machines of the project's own"),
        (False, True, True, "Only an endpoint on machines of the project's own"),
        (True, True, False, "Choose a tier that the platform's machines serve"),
        (True, False, True, "A tier with a monthly allowance"),
    ],
)
def test_own_machines_alone_fall_back_and_to_priced_tiers_alone(
    is_self_hosted: bool, to_self_hosted: bool, to_allowance: bool, words: str
) -> None:
    fault = rules.fault_in_fallback(
        is_self_hosted=is_self_hosted, to_self_hosted=to_self_hosted, to_allowance=to_allowance
    )

    assert fault.startswith(words)
    assert bool(fault) is bool(words)


def test_endpoint_is_opened_with_a_region_and_a_fallback_and_says_both(
    as_ada: APIClient, mine: Project
) -> None:
    status, said = open_at(as_ada, mine, region="us", fallback="gpu_nvidia_shared")

    assert (status, said["region"], said["fallback"]) == (201, "us", "gpu_nvidia_shared")
    told = AuditEntry.objects.get(action="endpoint.opened").after
    assert (told["region"], told["fallback"]) == ("us", "gpu_nvidia_shared")


def test_endpoint_without_either_has_none(as_ada: APIClient, mine: Project) -> None:
    _, said = open_at(as_ada, mine)

    assert (said["region"], said["fallback"]) == ("", None)


@pytest.mark.parametrize(
    ("said", "code", "param"),
    [
        ({"region": "asia"}, "region_unavailable", "region"),
        ({"region": "EU West"}, "region_malformed", "region"),
        ({"region": "-eu"}, "region_malformed", "region"),
        ({"fallback": "self_hosted"}, "fallback_not_allowed", "fallback"),
        ({"fallback": "free"}, "fallback_not_allowed", "fallback"),
        ({"fallback": "gold"}, "tier_not_found", "fallback"),
        (
            {"tier": "gpu_nvidia_shared", "fallback": "gpu_nvidia_shared"},
            "fallback_not_allowed",
            "fallback",
        ),
        ({"tier": "gpu_nvidia_shared", "region": "us"}, "region_unavailable", "region"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_opened(
    as_ada: APIClient, mine: Project, said: dict[str, str], code: str, param: str
) -> None:
    _, answer = open_at(as_ada, mine, **said)

    assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)
    assert not Endpoint.objects.exists()


def test_region_without_a_machine_says_what_to_do(as_ada: APIClient, mine: Project) -> None:
    _, own = open_at(as_ada, mine, region="asia")
    _, shared = open_at(as_ada, mine, region="us", tier="free")

    assert "join key of that region" in own["error"]["message"]
    assert "region “us”" in shared["error"]["message"]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_nobody_below_owner_says_what_costs_money_in_place_of_own_machines(
    mine: Project, role: Role
) -> None:
    client, _ = as_new(mine, role)
    open_at(client, mine)

    assert move(client, mine, "chat", fallback="gpu_nvidia_shared") == (403, "role_insufficient")
    assert move(client, mine, "chat", region="us") == (200, "")
    assert fresh().fallback is None


def test_owner_sets_and_takes_back_a_fallback_and_it_is_on_record(
    as_ada: APIClient, mine: Project
) -> None:
    open_at(as_ada, mine)

    assert move(as_ada, mine, "chat", fallback="gpu_nvidia_shared") == (200, "")
    assert str(fresh().fallback) == "gpu_nvidia_shared"
    assert move(as_ada, mine, "chat", fallback=None) == (200, "")
    assert fresh().fallback is None
    told = AuditEntry.objects.filter(action="endpoint.fallback_changed").order_by("pk")
    assert [one.after["fallback"] for one in told] == ["gpu_nvidia_shared", ""]


def test_endpoint_that_leaves_own_machines_falls_back_to_nobody(
    as_ada: APIClient, mine: Project
) -> None:
    open_at(as_ada, mine, fallback="gpu_nvidia_shared")

    assert move(as_ada, mine, "chat", tier="free") == (200, "")

    assert fresh().fallback is None


def test_region_is_changed_only_to_where_a_machine_is(as_ada: APIClient, mine: Project) -> None:
    open_at(as_ada, mine, region="us")

    assert move(as_ada, mine, "chat", region="asia") == (409, "region_unavailable")
    assert move(as_ada, mine, "chat", region="eu") == (200, "")
    assert move(as_ada, mine, "chat", region="", tier="self_hosted") == (200, "")
    assert fresh().region == ""


def test_what_is_said_again_as_it_is_changes_nothing(mine: Project) -> None:
    endpoint = make_endpoint(
        mine, "chat", tier="self_hosted", region="eu", fallback="gpu_nvidia_shared"
    )

    change_endpoint(
        endpoint=endpoint, region="eu", fallback=make_tier("gpu_nvidia_shared"), tier=endpoint.tier
    )

    assert fresh().version == endpoint.version


def test_services_refuse_what_the_edges_should_have(mine: Project) -> None:
    endpoint = make_endpoint(mine, "chat", tier="self_hosted")

    with pytest.raises(RegionMalformed):
        change_endpoint(endpoint=endpoint, region="Eu")
    with pytest.raises(FallbackNotAllowed):
        change_endpoint(endpoint=endpoint, fallback=make_tier("free"))


def test_fallback_takes_no_model_that_is_too_large_for_it(mine: Project) -> None:
    endpoint = make_endpoint(mine, "chat", tier="self_hosted")
    gpu = make_tier("gpu_nvidia_shared")
    gpu.terms.update(max_model_bytes=1)

    with pytest.raises(ModelTooLarge):
        change_endpoint(endpoint=endpoint, fallback=gpu)


def test_new_numbers_of_a_tier_reach_the_endpoints_that_fall_back_to_it(mine: Project) -> None:
    falls = make_endpoint(mine, "falls", tier="self_hosted", fallback="gpu_nvidia_shared")
    make_endpoint(mine, "does-not", tier="self_hosted")
    gpu = make_tier("gpu_nvidia_shared")

    assert touch_endpoints(tier_id=gpu.pk) == [falls.pk]
    assert selectors.reach_of(gpu) == (1, 1)
    assert list(selectors.on_tier(project=mine, tier=gpu)) == [falls]


def test_machine_serves_the_endpoints_of_its_model_in_its_region(
    mine: Project, rival: Project
) -> None:
    make_model()
    for slug, region in (("any", ""), ("eu", "eu"), ("us", "us")):
        make_endpoint(mine, slug, tier="self_hosted", region=region)
    make_endpoint(mine, "shared", tier="free")
    make_endpoint(rival, "theirs", tier="self_hosted")
    worker = make_worker(project=mine, region="eu")

    def served() -> dict[str, str]:
        found = selectors.serving_with(project=mine, workers=[worker])
        return {row.slug: obstacle for row, obstacle in found}

    assert served() == {"any": "", "eu": "", "us": "region"}
    suspend_worker(worker=worker)
    assert served() == {"any": "paused", "eu": "paused", "us": "region"}
    assert selectors.serving_with(project=mine, workers=[]) == []
