"""Row-level security: the walls of ``common.tenancy`` in the database, role to constraints.

Called after every ``migrate`` with all models there are, so that a table nobody had
thought of when this was written gets its wall with the migration that makes it. Changes
nothing that stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import connection, transaction
from psycopg import sql

from common.tenancy import ROLE

TENANT = "tenant"
PLATFORM = "platform"
OWN = "project_id = NULLIF(current_setting('app.project_id', true), '')::bigint"
"""After a first ``SET LOCAL`` the setting is empty, not null: hence ``NULLIF``."""
OWN_OR_NOBODYS = f"project_id IS NULL OR {OWN}"
CAN_ASSUME = (
    "This database's user can't assume the role “xerotier_app”. As a superuser, run once: "
    "CREATE ROLE xerotier_app NOLOGIN; GRANT xerotier_app TO {user};"
)

_STATE = """
SELECT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user),
       (SELECT count(*) FROM pg_roles WHERE rolname = %s) > 0,
       session_user
"""
_CREATE_ROLE = """
DO $$ BEGIN
    CREATE ROLE xerotier_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- Another database was first.
END $$
"""
_POLICIES = "SELECT tablename, policyname FROM pg_policies WHERE schemaname = current_schema()"
_CONSTRAINTS = "SELECT conname FROM pg_constraint"
_UNGRANTED = """
SELECT EXISTS (
    SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    AND relkind IN ('r', 'p') AND NOT relispartition
    AND NOT has_table_privilege(%s, oid, 'SELECT')
)
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What of a table a tenant sees, as SQL; and which acts are open at all."""

    table: str
    condition: str
    check: str = ""
    revoked: str = ""


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A column that may point only at a row of the same tenant."""

    table: str
    column: str
    target: str
    target_key: str

    @property
    def name(self) -> str:
        """Name the constraint."""
        return f"{self.table}_{self.column}_same_tenant"[:63]

    @property
    def key(self) -> str:
        """Name the constraint it needs on the other side."""
        return f"{self.target}_tenant_key"[:63]


def fault() -> str | None:
    """Say what an operator must do first, if the role can neither be assumed nor made."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [ROLE])
        may_create, is_there, user = cursor.fetchone() or (False, False, "")
    if may_create or (is_there and _can_assume()):
        return None
    return CAN_ASSUME.format(user=user)


def apply_policies(policies: Sequence[Policy], tenant_keys: Sequence[TenantKey]) -> None:
    """Make what is missing of the role, its grants, the policies and the constraints."""
    _make_role()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_UNGRANTED, [ROLE])
        if (cursor.fetchone() or (True,))[0]:
            _grant()
        cursor.execute(_POLICIES)
        standing = {(table, name) for table, name in cursor.fetchall()}
        for policy in policies:
            if (policy.table, TENANT) not in standing or (policy.table, PLATFORM) not in standing:
                _create_policy(policy)
        cursor.execute(_CONSTRAINTS)
        known = {name for (name,) in cursor.fetchall()}
        for tenant_key in tenant_keys:
            if tenant_key.key not in known:
                _make_key(tenant_key)
                known.add(tenant_key.key)
            if tenant_key.name not in known:
                _make_reference(tenant_key)


def _make_role() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if _can_assume():
            return
        cursor.execute(_CREATE_ROLE)
        cursor.execute(f"GRANT {ROLE} TO CURRENT_USER")


def _can_assume() -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('role', %s, true)", [ROLE])
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return True


def _grant() -> None:
    """Let the role work on every table; partitions only by way of the table they are parts of."""
    _run(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {{schema}} TO {ROLE}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {{schema}} TO {ROLE}",
        f"GRANT USAGE ON SCHEMA {{schema}} TO {ROLE}",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND relnamespace = current_schema()::regnamespace"
        )
        for (partition,) in cursor.fetchall():
            _run(f"REVOKE ALL ON {{table}} FROM {ROLE}", table=partition)


def _create_policy(policy: Policy) -> None:
    check = f"WITH CHECK ({policy.check})" if policy.check else ""
    _run(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        # The table's owner is no superuser everywhere: it, too, gets a policy by name.
        "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS {TENANT} ON {{table}}",
        f"DROP POLICY IF EXISTS {PLATFORM} ON {{table}}",
        f"CREATE POLICY {TENANT} ON {{table}} TO {ROLE} USING ({policy.condition}) {check}",
        f"CREATE POLICY {PLATFORM} ON {{table}} TO CURRENT_USER USING (true) WITH CHECK (true)",
        table=policy.table,
    )
    if policy.revoked:
        _run(f"REVOKE {policy.revoked} ON {{table}} FROM {ROLE}", table=policy.table)


def _make_key(tenant_key: TenantKey) -> None:
    _run(
        "ALTER TABLE {target} ADD CONSTRAINT {key} UNIQUE (project_id, {target_key})",
        target=tenant_key.target,
        target_key=tenant_key.target_key,
        key=tenant_key.key,
    )


def _make_reference(tenant_key: TenantKey) -> None:
    _run(
        "ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (project_id, {column})"
        " REFERENCES {target} (project_id, {target_key}) DEFERRABLE INITIALLY DEFERRED",
        table=tenant_key.table,
        name=tenant_key.name,
        column=tenant_key.column,
        target=tenant_key.target,
        target_key=tenant_key.target_key,
    )


def _run(*statements: str, **names: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = (cursor.fetchone() or ("public",))[0]
        quoted = {name: sql.Identifier(value) for name, value in names.items()}
        for statement in statements:
            text = sql.SQL(statement).format(schema=sql.Identifier(schema), **quoted)
            cursor.execute(text)
