"""Questions about endpoints name their project, leave out what was retired, and find by text."""

from __future__ import annotations

import pytest

from audit.models import AuditEntry
from catalog.models import ServiceTier
from common.models import OutboxEntry
from common.problems import Stale
from endpoints import selectors, services
from endpoints.errors import EndpointRetired, ModelTooLarge, TooManyEndpoints
from endpoints.models import Endpoint, EndpointState
from endpoints.services import NewEndpoint, change_endpoint, open_endpoint
from projects.models import Project
from tests.make import make_endpoint, make_model, make_tier, make_worker

pytestmark = pytest.mark.django_db

EMBED = "all-minilm-l6-v2"


def slugs(rows: object) -> list[str]:
    return [row.slug for row in rows]  # type: ignore[attr-defined] # why: of endpoints


def add(project: Project, slug: str, model: str) -> Endpoint:
    tier = make_tier("gpu_nvidia_shared")
    return open_endpoint(NewEndpoint(project, slug, make_model(model), tier))


def test_list_is_the_projects_own_newest_first_without_retired_ones(
    acme: Project, rival: Project
) -> None:
    first, second, gone = [make_endpoint(acme, slug) for slug in ("a", "b", "c")]
    make_endpoint(rival, "theirs")
    services.retire_endpoint(endpoint=gone)

    assert list(selectors.endpoints_of(project=acme)) == [second, first]


@pytest.mark.parametrize(
    ("query", "state", "found"),
    [
        ("", "", ["embed", "old-chat", "chat"]),
        ("chat", "", ["old-chat", "chat"]),
        ("CHAT", "", ["old-chat", "chat"]),
        ("minilm", "", ["embed"]),
        ("chat", "paused", ["old-chat"]),
        ("", "active", ["embed", "chat"]),
        ("nothing", "", []),
        ("%", "", []),
    ],
)
def test_endpoint_is_found_by_its_slug_or_model_in_a_state_or_any(
    acme: Project, query: str, state: str, found: list[str]
) -> None:
    make_endpoint(acme, "chat")
    services.pause_endpoint(endpoint=make_endpoint(acme, "old-chat"))
    add(acme, "embed", EMBED)

    assert slugs(selectors.found_endpoints(project=acme, query=query, state=state)) == found


def test_endpoint_is_named_by_slug_or_id_within_its_project_alone(
    acme: Project, rival: Project
) -> None:
    ours, theirs = make_endpoint(acme, "chat"), make_endpoint(rival, "theirs")

    assert selectors.endpoint_of(project=acme, slug="chat") == ours
    assert selectors.endpoint_of(project=acme, slug=ours.public_id) == ours
    assert selectors.endpoint_of(project=acme, slug="theirs") is None
    assert selectors.endpoint_of(project=acme, slug=theirs.public_id) is None
    services.retire_endpoint(endpoint=ours)
    assert selectors.endpoint_of(project=acme, slug="chat") is None
    assert selectors.is_slug_taken(project=acme, slug="chat")
    assert not selectors.is_slug_taken(project=acme, slug="theirs")


def test_names_are_told_of_retired_endpoints_too_and_never_of_a_strangers(
    acme: Project, rival: Project
) -> None:
    ours, theirs = make_endpoint(acme, "chat"), make_endpoint(rival, "theirs")
    services.retire_endpoint(endpoint=ours)
    ids = [ours.public_id, theirs.public_id, "ep_nobody"]

    assert selectors.names_of(project=acme, public_ids=ids) == {ours.public_id: "chat"}
    assert list(selectors.ids_named(project=acme, query="ha")) == [ours.public_id]
    assert list(selectors.ids_named(project=acme, query=ours.public_id)) == [ours.public_id]
    assert list(selectors.ids_named(project=acme, query="theirs")) == []


def test_one_begins_with_an_endpoint_that_answers_in_words(acme: Project) -> None:
    assert selectors.first_to_try(project=acme) is None
    embed = add(acme, "embed", EMBED)
    assert selectors.first_to_try(project=acme) == embed
    chat = make_endpoint(acme, "chat")
    newer = add(acme, "embed-2", EMBED)
    assert newer.pk > chat.pk
    assert selectors.first_to_try(project=acme) == chat


def test_models_of_a_project_are_told_once_by_name(acme: Project, rival: Project) -> None:
    make_endpoint(acme, "a")
    make_endpoint(acme, "b")
    add(acme, "embed", EMBED)
    add(rival, "theirs", EMBED)

    assert list(selectors.models_of(project=acme, query="")) == [EMBED, "smollm2-135m-instruct"]
    assert list(selectors.models_of(project=acme, query="SMOL")) == ["smollm2-135m-instruct"]


def test_each_tier_of_a_project_is_looked_at_once(acme: Project) -> None:
    make_endpoint(acme, "a")
    newest = make_endpoint(acme, "b")
    free = make_endpoint(acme, "c", tier="free")

    assert {row.pk for row in selectors.one_a_tier(project=acme)} == {newest.pk, free.pk}


def test_reach_of_a_tier_or_model_is_its_living_endpoints_and_their_projects(
    acme: Project, rival: Project
) -> None:
    first = make_endpoint(acme, "a")
    make_endpoint(acme, "b")
    make_endpoint(rival, "c")
    services.retire_endpoint(endpoint=make_endpoint(rival, "gone"))
    make_endpoint(rival, "free", tier="free")

    assert selectors.reach_of(first.tier) == (3, 2)
    assert selectors.reach_of(first.model) == (4, 2)


def test_endpoints_are_left_behind_by_the_last_machine_that_serves_them(
    acme: Project, rival: Project
) -> None:
    shared, other = make_worker(), make_worker(tiers=("free",))
    own = make_worker(project=acme)
    make_endpoint(acme, "shared")
    make_endpoint(acme, "free", tier="free")
    make_endpoint(acme, "own", tier="self_hosted")
    make_endpoint(rival, "unserved", tier="self_hosted")

    assert slugs(selectors.left_without([shared])) == ["shared"]
    assert slugs(selectors.left_without([other])) == []
    assert slugs(selectors.left_without([shared, other])) == ["free", "shared"]
    assert slugs(selectors.left_without([own])) == ["own"]
    assert selectors.left_without([]) == []


def test_machine_that_takes_no_work_leaves_nobody_behind(acme: Project) -> None:
    worker = make_worker()
    make_endpoint(acme, "shared")
    worker.state = "suspended"

    assert selectors.left_without([worker]) == []


def test_pause_and_resume_are_on_record_and_raise_the_version(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    version = endpoint.version

    services.pause_endpoint(endpoint=endpoint)
    services.resume_endpoint(endpoint=endpoint)

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.version) == (EndpointState.ACTIVE, version + 2)
    rows = AuditEntry.objects.filter(object_id=endpoint.public_id).order_by("id")
    assert [row.action for row in rows] == [
        "endpoint.opened",
        "endpoint.paused",
        "endpoint.resumed",
    ]
    assert rows[0].after == {
        "slug": "chat",
        "model": "smollm2-135m-instruct",
        "tier": "gpu_nvidia_shared",
    }


def test_retired_endpoint_takes_no_further_change(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    services.retire_endpoint(endpoint=endpoint)

    for act in (services.pause_endpoint, services.resume_endpoint, services.retire_endpoint):
        with pytest.raises(EndpointRetired):
            act(endpoint=endpoint)


def test_of_two_who_change_an_endpoint_the_second_reads_again(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    seen = Endpoint.objects.get(pk=endpoint.pk)
    change_endpoint(endpoint=endpoint, state="paused")

    with pytest.raises(Stale, match="Read it again"):
        change_endpoint(endpoint=seen, state="active")

    assert Endpoint.objects.get(pk=endpoint.pk).state == EndpointState.PAUSED


def test_change_of_nothing_is_none(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    told = OutboxEntry.objects.count()

    change_endpoint(endpoint=endpoint)
    change_endpoint(endpoint=endpoint, tier=endpoint.tier)

    assert Endpoint.objects.get(pk=endpoint.pk).version == endpoint.version
    assert OutboxEntry.objects.count() == told


def narrow(slug: str, **terms: object) -> ServiceTier:
    tier = make_tier(slug)
    tier.terms.update(**terms)
    return tier


def test_tier_has_room_for_so_many_endpoints_and_models(acme: Project) -> None:
    narrow("gpu_nvidia_shared", max_endpoints=2, max_models=1)
    make_endpoint(acme, "a")

    with pytest.raises(TooManyEndpoints, match="room for 1 model a project") as refused:
        add(acme, "embed", EMBED)
    assert refused.value.param == "model"
    second = make_endpoint(acme, "b")
    with pytest.raises(TooManyEndpoints, match="room for 2 endpoints a project"):
        make_endpoint(acme, "c")
    services.retire_endpoint(endpoint=second)
    make_endpoint(acme, "c")


def test_moving_is_held_to_the_size_and_room_of_the_tier_one_moves_to(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    free = narrow("free", max_model_bytes=97_000_000)

    with pytest.raises(ModelTooLarge, match=r"up to 0\.097 GB"):
        change_endpoint(endpoint=endpoint, tier=free)
    narrow("free", max_model_bytes=98_000_000, max_endpoints=0)
    with pytest.raises(TooManyEndpoints):
        change_endpoint(endpoint=endpoint, tier=free)
    narrow("free", max_endpoints=1)
    change_endpoint(endpoint=endpoint, tier=free)

    assert Endpoint.objects.get(pk=endpoint.pk).tier == free


def test_routes_of_a_tier_are_told_anew_all_at_once(acme: Project, rival: Project) -> None:
    mine = [make_endpoint(acme, slug) for slug in ("a", "b")]
    other = make_endpoint(acme, "c", tier="free")
    theirs = make_endpoint(rival, "d")
    OutboxEntry.objects.all().delete()

    services.republish(project_id=acme.pk, tier_id=mine[0].tier_id)

    told = set(OutboxEntry.objects.values_list("topic", "subject_id"))
    assert told == {("endpoint", str(row.pk)) for row in mine}
    versions = {row.pk: row.version for row in Endpoint.objects.all()}
    assert [versions[row.pk] - row.version for row in (*mine, other, theirs)] == [1, 1, 0, 0]
