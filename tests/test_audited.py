"""Every change leaves one entry, in its transaction, that says who did it and holds no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from agents import backends
from agents import services as agents
from apikeys import services as apikeys
from apikeys.models import KeySecret
from audit.models import AuditEntry
from catalog import services as catalog
from common.actor import Actor, ActorKind
from endpoints import services as endpoints
from endpoints.errors import EndpointRetired
from projects import services as projects
from projects import suspension
from projects.models import Project
from tests.make import make_backend, make_endpoint, make_key, make_model, make_tier, make_worker

BY = Actor(ActorKind.PERSON, "7", "ada@example.com", "203.0.113.9", "req_7")
TERMS = {"concurrent": 1, "request_timeout_s": 1, "idle_timeout_s": 1, "priority": 1}
URL = "http://127.0.0.1:8/v1"

CHANGES: list[tuple[str, str, Callable[[Project], Any]]] = [
    ("project.renamed", "acme", lambda p: projects.rename_project(project=p, name="A", by=BY)),
    (
        "project.suspended",
        "acme",
        lambda p: suspension.suspend_project(project=p, reason="Unpaid.", until=None, by=BY),
    ),
    ("apikey.issued", "acme", lambda p: apikeys.issue_key(project=p, name="ci", by=BY)),
    ("apikey.revoked", "acme", lambda p: apikeys.revoke_key(key=make_key(p).key, by=BY)),
    (
        "endpoint.paused",
        "acme",
        lambda p: endpoints.pause_endpoint(endpoint=make_endpoint(p), by=BY),
    ),
    (
        "endpoint.resumed",
        "acme",
        lambda p: endpoints.resume_endpoint(endpoint=make_endpoint(p), by=BY),
    ),
    (
        "endpoint.retired",
        "acme",
        lambda p: endpoints.retire_endpoint(endpoint=make_endpoint(p), by=BY),
    ),
    (
        "endpoint.moved_to_tier",
        "acme",
        lambda p: endpoints.change_endpoint(
            endpoint=make_endpoint(p), tier=make_tier("free"), by=BY
        ),
    ),
    (
        "worker.changed",
        "",
        lambda _: agents.change_worker(
            worker=make_worker(), url=URL, credential="new-credential", by=BY
        ),
    ),
    ("worker.suspended", "", lambda _: agents.suspend_worker(worker=make_worker(), by=BY)),
    ("worker.resumed", "", lambda _: agents.resume_worker(worker=make_worker(), by=BY)),
    ("worker.retired", "", lambda _: agents.retire_worker(worker=make_worker(), by=BY)),
    ("backend.paused", "acme", lambda p: backends.pause_backend(backend=make_backend(p), by=BY)),
    ("backend.removed", "acme", lambda p: backends.remove_backend(backend=make_backend(p), by=BY)),
    ("tier.terms_set", "", lambda _: catalog.set_terms(tier=make_tier(), numbers=TERMS, by=BY)),
    ("model.changed", "", lambda _: catalog.change_model(model=make_model(), changes={}, by=BY)),
]


@pytest.mark.parametrize(
    ("action", "chain", "change"), [pytest.param(*row, id=row[0]) for row in CHANGES]
)
def test_change_is_written_down_with_its_actor(
    acme: Project, action: str, chain: str, change: Callable[[Project], Any]
) -> None:
    change(acme)

    entry = AuditEntry.objects.get(actor_id="7")
    assert (entry.action, entry.project) == (action, acme.public_id if chain else "")
    assert (entry.actor_name, entry.address, entry.request_id) == (
        "ada@example.com",
        "203.0.113.9",
        "req_7",
    )


def test_first_project_of_a_person_is_written_down(ada: User) -> None:
    project = projects.open_project(owner=ada, name="Ada", slug="ada", by=BY)

    entry = AuditEntry.objects.get(project=project.public_id)
    assert (entry.action, entry.after["owner"]) == ("project.opened", "ada@example.com")


def test_refused_change_leaves_no_entry(acme: Project) -> None:
    endpoint = make_endpoint(acme)
    endpoints.retire_endpoint(endpoint=endpoint)
    before = AuditEntry.objects.count()

    with pytest.raises(EndpointRetired):
        endpoints.pause_endpoint(endpoint=endpoint, by=BY)

    assert AuditEntry.objects.count() == before


def test_second_revocation_is_no_second_entry(acme: Project) -> None:
    key = make_key(acme).key
    apikeys.revoke_key(key=key, by=BY)

    apikeys.revoke_key(key=key, by=BY)

    assert AuditEntry.objects.filter(action="apikey.revoked").count() == 1


def test_neither_keys_nor_credentials_are_in_the_log(acme: Project) -> None:
    issued = make_key(acme)
    worker = make_worker()
    agents.change_worker(worker=worker, url=URL, credential="new-credential")
    worker.refresh_from_db()

    log = json.dumps(
        [entry.said() for entry in AuditEntry.objects.all()], default=str, ensure_ascii=False
    )

    secret = KeySecret.objects.get(key=issued.key)
    for hidden in (
        issued.secret,
        secret.digest,
        "worker-secret",
        "new-credential",
        worker.credential,
    ):
        assert hidden not in log
    assert secret.hint in log
