"""A database whose user is no superuser: migrations run, and the walls bind their owner too."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from common import tenancy
from projects import isolation
from tests.platform import ROOT, clean_environment

ENTER = "SELECT set_config('role', %s, true), set_config('app.project_id', %s, true)"


@pytest.fixture
def plain_owner(django_db_setup: None) -> Iterator[str]:
    """Make a role that may do nothing but own one database; hand out the database's address."""
    name, password = f"plain_{secrets.token_hex(4)}", secrets.token_hex(16)
    known = connection.settings_dict
    place = {"host": known["HOST"] or known["OPTIONS"].get("host"), "port": known["PORT"] or None}
    with psycopg.connect(
        dbname="postgres", user=known["USER"], password=known["PASSWORD"], autocommit=True, **place
    ) as operator:
        owner = sql.Identifier(name)
        operator.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(password))
        )
        # What an operator is asked to run once (``common.row_security.CAN_ASSUME``).
        if not operator.execute("SELECT 1 FROM pg_roles WHERE rolname = 'xerotier_app'").fetchone():
            operator.execute("CREATE ROLE xerotier_app NOLOGIN")
        operator.execute(sql.SQL("GRANT xerotier_app TO {}").format(owner))
        operator.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
        try:
            where = "&".join(f"{key}={quote(str(value))}" for key, value in place.items() if value)
            yield f"postgresql://{name}:{password}@/{name}?{where}"
        finally:
            operator.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(owner))
            operator.execute(sql.SQL("DROP ROLE {}").format(owner))


@pytest.mark.slow  # Every migration runs in a process of its own.
def test_plain_owner_migrates_and_is_bound_by_the_walls(plain_owner: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**clean_environment(), "XEROTIER_ENV": "test", "DATABASE_URL": plain_owner},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    with psycopg.connect(plain_owner) as owner:
        assert owner.execute(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchall() == [(False, False)]
        forced = owner.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
            " AND pg_get_userbyid(relowner) = current_user"
        ).fetchall()
        assert {wall.table for wall in isolation.all_policies()} <= {table for (table,) in forced}
        made = [make_row(owner, slug) for slug in ("acme", "rival")]
        assert seen(owner) == made
        owner.execute(ENTER, [tenancy.ROLE, str(made[0])])
        assert seen(owner) == [made[0]]
        owner.execute(ENTER, [tenancy.ROLE, ""])
        assert seen(owner) == []


def make_row(owner: psycopg.Connection, slug: str) -> int:
    """Make a project and one row of its own; return the project's key."""
    found = owner.execute(
        "INSERT INTO projects_project (public_id, slug, name, requires_second_factor, created_at,"
        " origins, suspension_reason, suspended_by)"
        " VALUES (%s, %s, %s, false, now(), '{}', '', '') RETURNING id",
        [f"proj_{slug}", slug, slug],
    ).fetchone()
    assert found is not None
    owner.execute(
        "INSERT INTO usage_budget (public_id, project_id, scope, subject_id, amount, is_enforced,"
        " version, set_at) VALUES (%s, %s, 'project', %s, 1, false, 1, now())",
        [f"bud_{slug}", found[0], slug],
    )
    project_id: int = found[0]
    return project_id


def seen(owner: psycopg.Connection) -> list[int]:
    """Return whose budgets can be read."""
    return [key for (key,) in owner.execute("SELECT project_id FROM usage_budget ORDER BY 1")]
