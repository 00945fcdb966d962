"""A tier sells only machines that are there; what it says when there are none."""

from __future__ import annotations

import json

import pytest
import redis

from agents import offers, selectors, services
from agents.errors import TierUnavailable
from agents.models import Worker
from agents.placement import Wish
from catalog.errors import ModelUnknown, TierUnknown
from catalog.models import CatalogModel, ServiceTier
from common import clock
from inference.contracts.names import GATEWAYS, sighting_key
from projects.models import Project
from tests.make import make_model, make_tier, make_worker

pytestmark = pytest.mark.django_db

CHAT = "smollm2-135m-instruct"


@pytest.fixture(autouse=True)
def catalog(db: None, valkey: redis.Redis) -> None:
    make_model(CHAT)
    make_model("all-minilm-l6-v2")
    for tier in ("free", "gpu_nvidia_shared", "self_hosted"):
        make_tier(tier)


def see_out(valkey: redis.Redis, worker: Worker) -> None:
    valkey.zadd(GATEWAYS, {"g1": clock.now().timestamp()})
    valkey.set(sighting_key("g1"), json.dumps({worker.public_id: [True, None, 0]}))


def machines(project: Project, model: str | None = None) -> dict[str, int]:
    return {one.tier.slug: one.machines for one in offers.offers_to(project, model_name=model)}


def test_tier_has_the_shared_machines_that_carry_it(acme: Project) -> None:
    make_worker(tiers=("free",))
    make_worker(tiers=("free", "gpu_nvidia_shared"))

    assert machines(acme) == {"free": 2, "gpu_nvidia_shared": 1, "self_hosted": 0}


def test_own_machines_serve_the_self_hosted_tier_of_their_project_alone(
    acme: Project, rival: Project
) -> None:
    make_worker(project=acme)

    assert machines(acme) == {"free": 0, "gpu_nvidia_shared": 0, "self_hosted": 1}
    assert machines(rival) == {"free": 0, "gpu_nvidia_shared": 0, "self_hosted": 0}


def test_machines_of_another_model_do_not_count_for_one(acme: Project) -> None:
    make_worker(tiers=("free",))
    make_worker(tiers=("free",), model="all-minilm-l6-v2")

    assert machines(acme, CHAT)["free"] == 1
    assert machines(acme, "nobody-serves-it")["free"] == 0
    assert machines(acme)["free"] == 2


def test_machine_that_is_suspended_retired_or_seen_out_is_not_sold(
    acme: Project, valkey: redis.Redis
) -> None:
    suspended, retired, out, well = [make_worker(tiers=("free",)) for _ in range(4)]
    services.suspend_worker(worker=suspended)
    services.retire_worker(worker=retired)
    see_out(valkey, out)

    assert machines(acme)["free"] == 1
    assert selectors.live_workers(Wish(acme.pk, CHAT, "generate", "free", False)) == [well]


def test_machines_are_counted_by_model_for_those_a_project_may_use(
    acme: Project, rival: Project
) -> None:
    make_worker(tiers=("free",))
    make_worker(project=acme)
    make_worker(project=rival, model="all-minilm-l6-v2")

    assert offers.machines_by_model(acme) == {CHAT: 2}
    assert offers.machines_by_model(rival) == {CHAT: 1, "all-minilm-l6-v2": 1}


def test_tiers_of_a_model_are_those_its_machines_carry_and_ones_own(
    acme: Project, rival: Project
) -> None:
    make_worker(tiers=("gpu_nvidia_shared", "free"))
    make_worker(project=acme)

    assert offers.tiers_by_model(acme) == {CHAT: ["free", "gpu_nvidia_shared", "self_hosted"]}
    assert offers.tiers_by_model(rival) == {CHAT: ["free", "gpu_nvidia_shared"]}


def test_tier_that_can_be_had_has_no_reason_and_others_say_what_to_do(acme: Project) -> None:
    make_worker(tiers=("free",))

    reasons = {one.tier.slug: one.reason for one in offers.offers_to(acme)}

    assert reasons == {
        "free": "",
        "gpu_nvidia_shared": offers.NO_MACHINE,
        "self_hosted": offers.NO_OWN,
    }


def test_model_is_chosen_by_its_name_in_any_case_unless_it_was_withdrawn() -> None:
    assert offers.chosen_model(CHAT.upper()).name == CHAT
    CatalogModel.objects.filter(name=CHAT).update(is_listed=False)

    with pytest.raises(ModelUnknown, match=f"“{CHAT}”") as refused:
        offers.chosen_model(CHAT)

    assert (refused.value.param, refused.value.status) == ("model", 404)


def test_tier_is_known_whether_or_not_it_has_machines_unless_it_is_no_longer_offered() -> None:
    assert offers.known_tier("free").slug == "free"
    ServiceTier.objects.filter(slug="free").update(is_offered=False)

    with pytest.raises(TierUnknown, match="“free”") as refused:
        offers.known_tier("free")

    assert refused.value.param == "tier"


def test_tier_without_machines_is_refused_by_its_name_and_the_models(acme: Project) -> None:
    model = offers.chosen_model(CHAT)

    with pytest.raises(TierUnavailable, match=f"Free, {CHAT}: No machine") as refused:
        offers.chosen_tier("free", project=acme, model=model)
    assert (refused.value.param, refused.value.status) == ("tier", 409)
    with pytest.raises(TierUnavailable, match="no machine of its own"):
        offers.chosen_tier("self_hosted", project=acme, model=model)

    make_worker(tiers=("free",))
    make_worker(project=acme)
    assert offers.chosen_tier("free", project=acme, model=model).slug == "free"
    assert offers.chosen_tier("self_hosted", project=acme, model=model).slug == "self_hosted"


def test_own_machine_of_a_rival_opens_no_tier(acme: Project, rival: Project) -> None:
    make_worker(project=rival)

    with pytest.raises(TierUnavailable):
        offers.chosen_tier("self_hosted", project=acme, model=offers.chosen_model(CHAT))


def test_operators_are_told_who_carries_a_tier_and_who_serves_a_model(acme: Project) -> None:
    shared, own = make_worker(tiers=("free",)), make_worker(project=acme)
    services.suspend_worker(worker=make_worker(tiers=("free",)))

    assert list(selectors.carrying("free", is_self_hosted=False)) == [shared]
    assert list(selectors.carrying("self_hosted", is_self_hosted=True)) == [own]
    assert set(selectors.serving(CHAT)) == {shared, own}
    assert selectors.shared_alive(model_name=CHAT, tier="free") == [shared]
    assert selectors.shared_alive(model_name=CHAT, tier="gpu_nvidia_shared") == []
    assert list(selectors.own_active(acme)) == [own]


def test_worker_is_found_by_name_and_by_id_and_not_by_another_ones(acme: Project) -> None:
    worker = make_worker("gpu-1")

    assert selectors.worker_by_name("gpu-1") == worker
    assert selectors.worker_by_id(worker.public_id) == worker
    assert selectors.worker_by_name(worker.public_id) is None
    assert selectors.worker_by_id("gpu-1") is None


def test_chosen_rows_are_those_that_live_whatever_else_was_sent() -> None:
    first, second, gone = make_worker("b"), make_worker("a"), make_worker("c")
    services.retire_worker(worker=gone)
    said = [str(first.pk), str(second.pk), str(gone.pk), "x", "-1", "1.5", ""]

    assert list(selectors.workers_with(said)) == [second, first]


def test_each_owner_and_model_has_one_pool(acme: Project) -> None:
    for _ in range(2):
        make_worker()
        make_worker(project=acme)
    make_worker(model="all-minilm-l6-v2")

    found = [(one.model_name, one.project) for one in selectors.groups()]

    assert sorted(found, key=str) == sorted(
        [("all-minilm-l6-v2", None), (CHAT, None), (CHAT, acme)], key=str
    )
