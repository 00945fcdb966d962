"""Moving an endpoint to another tier changes what it costs: an owner's, and nobody else's."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from catalog.services import load_defaults
from projects.models import Membership, Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, make_worker, seat

pytestmark = pytest.mark.django_db


def move(client: APIClient, project: Project, slug: str, **said: str | None) -> tuple[int, str]:
    answer = client.patch(
        f"/{project.public_id}/v1/management/endpoints/{slug}",
        said,
        format="json",
        headers={"If-Match": "*"},
    )
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def as_new(project: Project, role: Role) -> tuple[APIClient, Membership]:
    held = seat(project, make_user(), role)
    client = APIClient()
    client.force_authenticate(held.user)
    return client, held


@pytest.fixture
def mine(acme: Project) -> Project:
    load_defaults()
    make_worker(tiers=("free", "gpu_nvidia_shared"))
    return acme


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_nobody_below_owner_moves_an_endpoint_even_their_own(mine: Project, role: Role) -> None:
    client, _ = as_new(mine, role)
    opened = client.post(
        f"/{mine.public_id}/v1/management/endpoints",
        {"slug": "theirs", "model": "smollm2-135m-instruct", "tier": "free"},
        format="json",
    )
    assert opened.status_code == 201

    assert move(client, mine, "theirs", tier="gpu_nvidia_shared") == (403, "role_insufficient")
    assert move(client, mine, "theirs", state="paused", tier="free") == (200, "")


def test_owner_moves_an_endpoint_to_where_there_are_machines_only(
    as_ada: APIClient, mine: Project
) -> None:
    make_endpoint(mine, "chat", tier="free")

    assert move(as_ada, mine, "chat", tier="gpu_amd_shared") == (409, "tier_unavailable")
    assert move(as_ada, mine, "chat", tier="self_hosted") == (409, "tier_unavailable")
    assert move(as_ada, mine, "chat", tier="gpu_nvidia_shared") == (200, "")


def test_key_moves_an_endpoint_for_as_long_as_its_maker_is_an_owner(
    mine: Project,
) -> None:
    make_endpoint(mine, "chat", tier="free")
    makers = {role: as_new(mine, role) for role in (Role.OWNER, Role.ADMIN)}
    keyed = {}
    for role, (_, held) in makers.items():
        issued = make_key(mine, scopes=("management",), issuer=held.user)
        keyed[role] = APIClient()
        keyed[role].credentials(HTTP_AUTHORIZATION=f"Bearer {issued.secret}")

    assert move(keyed[Role.ADMIN], mine, "chat", tier="gpu_nvidia_shared")[0] == 403
    assert move(keyed[Role.OWNER], mine, "chat", tier="gpu_nvidia_shared") == (200, "")

    Membership.objects.filter(pk=makers[Role.OWNER][1].pk).update(role=Role.ADMIN)
    assert move(keyed[Role.OWNER], mine, "chat", tier="free")[0] == 403


def test_rival_moves_nothing(mine: Project, rival: Project) -> None:
    make_endpoint(mine, "chat", tier="free")
    client = APIClient()
    client.force_authenticate(rival.memberships.get().user)

    assert move(client, mine, "chat", tier="gpu_nvidia_shared")[0] == 404
