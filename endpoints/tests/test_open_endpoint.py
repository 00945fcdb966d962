"""An endpoint's slug is for life, its project's own, and well formed."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from catalog.services import load_defaults
from common.models import OutboxEntry
from endpoints.errors import (
    EndpointRetired,
    ModelTooLarge,
    SlugMalformed,
    SlugTaken,
    TooManyEndpoints,
)
from endpoints.models import Endpoint
from endpoints.rules import fault_in_slug
from endpoints.services import NewEndpoint, open_endpoint, pause_endpoint, retire_endpoint
from projects.models import Project
from tests.make import make_endpoint, make_key, make_model, make_tier, make_worker

URL = "/{project}/v1/management/endpoints"


@pytest.mark.parametrize("slug", ["a", "chat", "9lives", "a-b-c", "x" * 63])
def test_well_formed_slug_passes(slug: str) -> None:
    assert fault_in_slug(slug) is None


@pytest.mark.parametrize(
    "slug", ["", "v1", "-a", "a-", "Chat", "a_b", "a b", "ä", "a/b", "x" * 64, "a."]
)
def test_malformed_slug_is_refused_and_nothing_is_written(acme: Project, slug: str) -> None:
    with pytest.raises(SlugMalformed):
        open_endpoint(NewEndpoint(acme, slug, make_model(), make_tier()))

    assert not Endpoint.objects.exists()


def test_slug_is_unique_in_its_project_only(acme: Project, rival: Project) -> None:
    make_endpoint(acme, "chat")

    make_endpoint(rival, "chat")
    with pytest.raises(SlugTaken):
        make_endpoint(acme, "chat")

    assert Endpoint.objects.count() == 2


def test_retired_slug_is_never_given_again(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")
    retire_endpoint(endpoint=endpoint)

    with pytest.raises(SlugTaken):
        make_endpoint(acme, "chat")
    with pytest.raises(EndpointRetired):
        pause_endpoint(endpoint=endpoint)


def test_slug_cannot_be_changed_by_the_orm(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")

    with pytest.raises(IntegrityError, match="keeps its slug"), transaction.atomic():
        Endpoint.objects.filter(pk=endpoint.pk).update(slug="other")

    endpoint.refresh_from_db()
    assert endpoint.slug == "chat"


def test_slug_cannot_be_changed_by_sql(acme: Project) -> None:
    make_endpoint(acme, "chat")

    with (
        pytest.raises(IntegrityError, match="keeps its slug"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE endpoints_endpoint SET slug = 'other'")


def test_free_tier_has_room_for_two_endpoints(acme: Project) -> None:
    make_endpoint(acme, "one", tier="free")
    make_endpoint(acme, "two", tier="free")

    with pytest.raises(TooManyEndpoints):
        make_endpoint(acme, "three", tier="free")

    make_endpoint(acme, "three", tier="gpu_nvidia_shared")
    assert Endpoint.objects.count() == 3


def test_model_above_the_tiers_size_is_refused(acme: Project) -> None:
    model = make_model()
    model.size_bytes = 49 * 10**9

    with pytest.raises(ModelTooLarge):
        open_endpoint(NewEndpoint(acme, "chat", model, make_tier("free")))


def test_change_raises_the_version_and_is_announced(acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")

    pause_endpoint(endpoint=endpoint)

    endpoint.refresh_from_db()
    assert endpoint.version == 2
    notes = OutboxEntry.objects.filter(topic="endpoint", subject_id=str(endpoint.pk))
    assert notes.count() == 2


def test_endpoint_is_opened_by_api_with_a_management_key(acme: Project) -> None:
    load_defaults()
    make_worker(tiers=("gpu_nvidia_shared", "free", "cpu_amd_optimized"))
    key = make_key(acme, scopes=("management",))
    client = APIClient(headers={"authorization": f"Bearer {key.secret}"})

    made = client.post(
        URL.format(project=acme.public_id),
        {"slug": "chat", "model": "smollm2-135m-instruct"},
        format="json",
    )

    assert made.status_code == 201
    assert made.json()["path"] == f"/{acme.public_id}/chat/v1"
    listed = client.get(URL.format(project=acme.public_id)).json()
    assert [endpoint["slug"] for endpoint in listed["data"]] == ["chat"]


@pytest.mark.parametrize(
    ("said", "status", "code", "param"),
    [
        pytest.param({}, 400, "invalid_request", "slug", id="no slug"),
        pytest.param({"slug": "v1"}, 400, "endpoint_slug_malformed", "slug", id="reserved"),
        pytest.param({"slug": "a", "x": 1}, 400, "invalid_request", "x", id="unknown field"),
        pytest.param({"slug": "a", "model": "no"}, 404, "model_not_found", "model", id="model"),
        pytest.param({"slug": "a", "tier": "no"}, 404, "tier_not_found", "tier", id="tier"),
    ],
)
def test_refusal_names_the_field_and_writes_nothing(
    as_ada: APIClient, acme: Project, said: dict[str, object], status: int, code: str, param: str
) -> None:
    load_defaults()
    make_worker()
    model = "smollm2-135m-instruct"

    answer = as_ada.post(
        URL.format(project=acme.public_id), {"model": model, **said}, format="json"
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert not Endpoint.objects.exists()


def test_stranger_cannot_tell_a_project_from_a_missing_one(
    as_ada: APIClient, rival: Project
) -> None:
    theirs = as_ada.get(URL.format(project=rival.public_id))
    nobodys = as_ada.get(URL.format(project="proj_000000000000"))

    assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
    assert theirs.status_code == 404


def test_nobody_is_asked_to_say_who_they_are(acme: Project) -> None:
    answer = APIClient().get(URL.format(project=acme.public_id))

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"
