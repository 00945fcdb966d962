"""A project lists the pages that may read what its endpoints answer."""

from __future__ import annotations

import pytest
import redis
from rest_framework.test import APIClient

from audit.models import AuditEntry
from inference.contracts.entries import Route, load
from inference.contracts.names import route_key
from projects.errors import OriginMalformed
from projects.models import Project
from projects.services import ORIGINS_MAX, allow_origins
from tests.make import make_endpoint

APP = "https://app.example.org"


@pytest.mark.django_db(transaction=True)
def test_list_reaches_every_endpoint_of_the_project_and_no_other(
    valkey: redis.Redis, acme: Project, rival: Project
) -> None:
    ours, theirs = make_endpoint(acme, slug="chat"), make_endpoint(rival, slug="chat")

    allow_origins(project=acme, origins=[f" {APP}/ ", "https://APP.example.org"])

    found = [
        load(Route, str(valkey.get(route_key(made.project.public_id, made.slug))))
        for made in (ours, theirs)
    ]
    assert [route.origins for route in found] == [(APP,), ()]


@pytest.mark.parametrize(
    "origins",
    [["app.example.org"], [f"{APP}/path"], ["null"], [""], [f"https://a{n}" for n in range(99)]],
)
def test_what_no_browser_says_is_refused_and_nothing_changes(
    acme: Project, origins: list[str]
) -> None:
    with pytest.raises(OriginMalformed):
        allow_origins(project=acme, origins=origins)

    assert Project.objects.get(pk=acme.pk).origins == []
    assert len(origins) == 1 or len(origins) > ORIGINS_MAX


def test_admins_change_it_by_api_and_it_is_written_down(as_ada: APIClient, acme: Project) -> None:
    home = f"/{acme.public_id}/v1/management/project"

    changed = as_ada.patch(home, {"origins": [APP, "*"]}, format="json", headers={"if-match": "*"})
    refused = as_ada.patch(home, {"origins": ["x y"]}, format="json", headers={"if-match": "*"})

    assert (changed.status_code, changed.json()["origins"]) == (200, [APP, "*"])
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (
        400,
        "origin_malformed",
        "origins",
    )
    [entry] = AuditEntry.objects.filter(action="project.origins_changed")
    assert (entry.before, entry.after) == ({"origins": []}, {"origins": [APP, "*"]})
