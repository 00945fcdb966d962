"""The second wall: with the first one torn down, PostgreSQL still shows no foreign row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.models import QuerySet
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from apikeys.models import ApiKey, KeySecret
from audit.models import AuditEntry
from audit.services import record
from common import row_security, tenancy
from common.actor import SYSTEM
from endpoints.models import Endpoint
from inference.contracts import entries, names
from projects import access, isolation, services
from projects.models import Project, ProjectOwned
from projects.rules import Role
from tests.decisions import make_decision, tell
from tests.make import make_endpoint, make_event, make_key, make_project, make_user
from usage.intake import Arrived, take_in
from usage.models import UsageRecord

RIVALS = "rivalmark"
"""Stands in every row of the rival, and may stand in no answer to Ada."""


def rows(statement: str, *parameters: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [*cursor.fetchall()]


def furnish(project: Project, mark: str) -> None:
    """Put at least one row into every table of a tenant that pages and API read."""
    endpoint = make_endpoint(project, f"{mark}-endpoint")
    key = make_key(project, name=f"{mark}-key", scopes=("management", "inference")).key
    event = make_event(project, endpoint=endpoint.slug, model=f"{mark}-model", key_id=key.public_id)
    take_in([Arrived("s", f"{mark}-0", entries.dump(event))])
    tell(make_decision(project, endpoint=endpoint.slug, model=f"{mark}-model"))
    services.rename_project(project=project, name=f"{mark} project")


def close_pool() -> None:
    """Let go of every pooled connection, so that the pool's next one has other settings."""
    wrapper: Any = connections["default"]
    wrapper.close_pool()


@pytest.fixture
def as_app(db: None) -> Iterator[None]:
    """Work as a process that serves people does: each connection has assumed the role."""
    # Not for the session: a failing statement would leave it behind.
    rows("SELECT set_config('role', %s, false)", tenancy.ROLE)
    yield
    rows("SELECT set_config('role', 'none', false)")


def walled_tables() -> set[str]:
    return {wall.table for wall in isolation.all_policies()}


def test_every_table_of_a_tenant_has_its_wall(db: None) -> None:
    owned = {m._meta.db_table for m in apps.get_models() if issubclass(m, ProjectOwned)}
    forced = rows("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    policies = rows("SELECT tablename FROM pg_policies WHERE %s = ANY(roles)", tenancy.ROLE)

    assert owned <= walled_tables()
    assert KeySecret._meta.db_table in walled_tables()
    assert walled_tables() <= {table for (table,) in forced}
    assert walled_tables() <= {table for (table,) in policies}


def test_what_is_read_before_the_door_stands_outside() -> None:
    before_any_project = {"projects_project", "projects_membership", "projects_invitation"}

    assert not walled_tables() & before_any_project


def test_role_is_no_superuser_owns_nothing_and_signs_in_nowhere(db: None) -> None:
    found = rows(
        "SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole FROM pg_roles"
        " WHERE rolname = %s",
        tenancy.ROLE,
    )

    assert found == [(False, False, False, False)]
    assert rows("SELECT 1 FROM pg_class WHERE relowner = %s::regrole", tenancy.ROLE) == []


def test_project_shows_its_own_rows_and_nobody_none(acme: Project, rival: Project) -> None:
    furnish(acme, "acmemark")
    furnish(rival, RIVALS)

    for model in isolation.owned():
        with tenancy.within(acme.pk, acme.public_id):
            assert {row.project_id for row in model._default_manager.all()} <= {acme.pk}  # type: ignore[attr-defined] # why: every owned row has it
        with tenancy.confined():
            assert not model._default_manager.exists()
    with tenancy.within(acme.pk, acme.public_id):
        assert KeySecret.objects.count() == 1
        assert {entry.project for entry in AuditEntry.objects.all()} == {acme.public_id}
        assert UsageRecord.objects.count() == 1
    with tenancy.confined():
        assert not KeySecret.objects.exists()
        assert not AuditEntry.objects.exists()


def test_rows_of_others_can_be_neither_made_nor_changed_nor_taken(
    acme: Project, rival: Project
) -> None:
    furnish(rival, RIVALS)
    theirs = Endpoint.objects.get(project=rival)

    with tenancy.within(acme.pk, acme.public_id):
        changed = Endpoint.objects.filter(pk=theirs.pk).update(state="retired")
        deleted, _ = UsageRecord.objects.all().delete()
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            make_key(rival)

    theirs.refresh_from_db()
    assert (changed, deleted, theirs.state) == (0, 0, "active")
    assert UsageRecord.objects.filter(project=rival).count() == 1
    assert ApiKey.objects.filter(project=rival).count() == 1


def test_history_is_beyond_the_roles_reach(acme: Project) -> None:
    for statement in ("UPDATE audit_auditentry SET action = 'x'", "DELETE FROM audit_auditanchor"):
        with (
            tenancy.within(acme.pk, acme.public_id),
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
        ):
            rows(statement)


def test_partition_is_no_way_around_the_wall(acme: Project, rival: Project) -> None:
    furnish(rival, RIVALS)
    partitions = rows(
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'usage_record'::regclass"
    )
    assert len(partitions) >= 3

    for (partition,) in partitions:
        with (
            tenancy.within(acme.pk, acme.public_id),
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
        ):
            rows(f"SELECT * FROM {partition}")  # noqa: S608 - a name PostgreSQL gave


def test_row_cannot_point_at_a_row_of_another_tenant(acme: Project, rival: Project) -> None:
    theirs = make_endpoint(rival, "theirs")
    key = make_key(acme).key
    names = {name for (name,) in rows("SELECT conname FROM pg_constraint")}
    assert {tie.name for tie in isolation.all_tenant_keys()} <= names

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match="same_tenant"), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(endpoint=theirs)

    key.refresh_from_db()
    assert key.endpoint is None


def test_raising_the_walls_again_changes_nothing(db: None) -> None:
    state = "SELECT oid, polrelid, polname FROM pg_policy ORDER BY oid"
    before = rows(state)

    isolation.raise_all()

    assert rows(state) == before
    assert row_security.fault() is None


def test_standing_ends_with_its_block_and_nests(acme: Project, rival: Project) -> None:
    def standing() -> tuple[Any, ...]:
        return rows(
            "SELECT current_user = %s, COALESCE(current_setting('app.project_id', true), '')",
            tenancy.ROLE,
        )[0]

    with tenancy.within(acme.pk, acme.public_id):
        with tenancy.system():
            assert standing() == (False, "")
        assert standing() == (True, str(acme.pk))
        with pytest.raises(ZeroDivisionError), tenancy.within(rival.pk, rival.public_id):
            raise ZeroDivisionError
        assert standing() == (True, str(acme.pk))

    assert standing() == (False, "")


def test_entry_of_another_project_can_be_written_and_not_read(
    acme: Project, rival: Project
) -> None:
    furnish(rival, RIVALS)
    count = AuditEntry.objects.filter(project=rival.public_id).count()

    with tenancy.within(acme.pk, acme.public_id):
        entry = record(by=SYSTEM, action="x.y", subject=("x", "1"), project=rival.public_id)
        platform = record(by=SYSTEM, action="x.y", subject=("x", "1"))
        seen = set(AuditEntry.objects.values_list("project", flat=True))

    assert entry.number == count + 1
    assert platform.number >= 1
    assert seen <= {acme.public_id}


def drop_project_filters(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tear down the first wall: no query of a tenant's table names the project any more."""
    asked: list[str] = []
    honest = QuerySet.filter

    def torn(self: QuerySet[Any], *args: Any, **criteria: Any) -> QuerySet[Any]:
        if issubclass(self.model, ProjectOwned | AuditEntry):
            for name in list(criteria):
                if name == "project" or name.startswith("project__"):
                    asked.append(self.model.__name__)
                    del criteria[name]
        return honest(self, *args, **criteria)

    monkeypatch.setattr(QuerySet, "filter", torn)
    return asked


def pages_of(project: Project) -> list[str]:
    api, site = f"/{project.public_id}/v1/management/", f"/dashboard/{project.public_id}/"
    return [
        *(api + path for path in ("project", "members", "endpoints", "api-keys", "audit")),
        *(site + path for path in ("", "endpoints/", "keys/", "usage/", "settings/")),
        f"{api}endpoints/{RIVALS}-endpoint",
        f"{site}endpoints/{RIVALS}-endpoint/",
    ]


def test_without_the_first_wall_the_second_one_holds(
    ada: User, acme: Project, rival: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(acme, "acmemark")
    furnish(rival, RIVALS)
    client = Client()
    client.force_login(ada)
    torn = drop_project_filters(monkeypatch)

    bodies = {path: client.get(path).content.decode() for path in pages_of(acme)}

    assert set(torn) >= {"Endpoint", "ApiKey", "UsageRecord", "AuditEntry"}
    for path, body in bodies.items():
        own = path.rpartition(RIVALS)[0]
        assert RIVALS not in (body if not own else body.replace(f"{RIVALS}-endpoint", "")), path
        assert rival.public_id not in body
    assert "acmemark-endpoint" in bodies[pages_of(acme)[2]]


def test_tearing_down_the_first_wall_alone_would_be_noticed(
    acme: Project, rival: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard the test above: without the second wall it would find foreign rows."""
    furnish(rival, RIVALS)
    drop_project_filters(monkeypatch)

    assert Endpoint.objects.filter(project=acme).exists()


@pytest.mark.slow  # Forty requests of two tenants share two connections.
@pytest.mark.django_db(transaction=True)
def test_nothing_survives_in_a_pool_of_two_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [make_user("ada"), make_user("rex")]
    projects = [
        make_project(slug, owner=user) for slug, user in zip(("acme", "rival"), people, strict=True)
    ]
    marks = ("acmemark", RIVALS)
    for project, mark in zip(projects, marks, strict=True):
        furnish(project, mark)
    secrets = [make_key(project, scopes=("management",)).secret for project in projects]
    pool: dict[str, Any] = connection.settings_dict["OPTIONS"]["pool"]
    connection.close()
    close_pool()
    monkeypatch.setitem(pool, "max_size", 2)
    drop_project_filters(monkeypatch)

    def ask(step: int) -> bool:
        me = step % 2
        client = APIClient(headers={"authorization": f"Bearer {secrets[me]}"})
        path = ("endpoints", "api-keys", "audit")[step % 3]
        try:
            body = client.get(f"/{projects[me].public_id}/v1/management/{path}").content.decode()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT current_user, COALESCE(current_setting('app.project_id', true), '')"
                )
                left = cursor.fetchone()
        finally:
            connection.close()
        assert left is not None
        assert left[1] == ""
        assert left[0] != tenancy.ROLE
        return marks[me] in body and marks[1 - me] not in body

    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(ask, range(40)))
    close_pool()

    assert answers == [True] * 40


@pytest.mark.django_db(transaction=True)
def test_process_that_serves_people_starts_every_connection_confined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_key(make_project())
    monkeypatch.setitem(
        connection.settings_dict, "OPTIONS", {**connection.settings_dict["OPTIONS"]}
    )
    connection.close()
    close_pool()

    try:
        tenancy.confine_process()
        assert rows("SELECT current_user = %s", tenancy.ROLE) == [(True,)]
        assert not ApiKey.objects.exists()
        with tenancy.system():
            assert ApiKey.objects.exists()
    finally:
        connection.close()
        close_pool()


@pytest.mark.django_db(transaction=True)
def test_whole_way_of_a_key_works_as_the_application(valkey: redis.Redis) -> None:
    project = make_project("acme")
    manager = make_key(project, scopes=("management",))
    make_endpoint(project, "chat")
    client = APIClient(headers={"authorization": f"Bearer {manager.secret}"})
    base = f"/{project.public_id}/v1/management"
    rows("SELECT set_config('role', %s, false)", tenancy.ROLE)
    try:
        made = client.post(f"{base}/api-keys", {"name": "ci", "endpoint": "chat"}, format="json")
        gone = client.delete(f"{base}/api-keys/{made.json()['id']}")
        seen = ApiKey.objects.count()
    finally:
        rows("SELECT set_config('role', 'none', false)")

    assert (made.status_code, gone.status_code, seen) == (201, 204, 0)
    digest = KeySecret.objects.get(key__public_id=made.json()["id"]).digest
    assert json.loads(str(valkey.get(names.grant_key(digest))))["gone"] is True


def test_registering_and_joining_work_as_the_application(as_app: None) -> None:
    user = make_user("new")

    project = services.open_project(owner=user, name="New", slug="new")

    with tenancy.confined():
        own = access.seat(user, project.public_id, at_least=Role.OWNER)
        services.rename_project(project=own.project, name="Mine", by=own.actor)
        assert [entry.number for entry in AuditEntry.objects.all()] == [2, 1]


def test_console_sees_all_tenants(acme: Project, rival: Project, as_app: None) -> None:
    with tenancy.system():
        furnish(acme, "acmemark")
        furnish(rival, RIVALS)
    operator = User.objects.create_superuser("op@example.com", "x")
    # The console asks operators for a second factor.
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={})
    client = Client()
    client.force_login(operator)

    body = client.get("/admin/endpoints/endpoint/").content.decode()

    assert "acmemark-endpoint" in body
    assert f"{RIVALS}-endpoint" in body


def test_every_model_of_a_tenant_is_found_by_its_base(db: None) -> None:
    outside = {"projects_membership", "projects_invitation"}
    pointing = {
        model._meta.db_table
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is Project
    }

    assert pointing - outside <= walled_tables()
