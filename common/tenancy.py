"""The second wall between tenants: PostgreSQL itself shows only the rows of one project.

The first wall is the ``project=`` in every selector. Behind it, requests of a project run
as the role ``xerotier_app``, for which row-level security hides every row of a tenant
but those of the project named by ``app.project_id``. The door (``projects.access``) names
it. Role and name are local to a transaction, so nothing survives in the connection pool.
What works for the whole platform (tasks, consumers, commands, the console) does without
the role: ``system``.

``docs/adr/0011-row-level-security.md`` says why it is roles in transactions and not a second
database alias.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, connections, transaction

ROLE = "xerotier_app"
NOBODY = "none"
"""What PostgreSQL calls the absence of an assumed role."""

_ASSUME = """
SELECT set_config('role', %s, true),
       set_config('app.project_id', %s, true),
       set_config('app.project', %s, true)
"""
# A target list is worked off from left to right: these are the values before the change.
_SWAP = _ASSUME.replace(
    "SELECT",
    """SELECT current_setting('role'),
       COALESCE(current_setting('app.project_id', true), ''),
       COALESCE(current_setting('app.project', true), ''),
      """,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """As whom the transaction works, and for which project: its key, and its public id."""

    role: str
    project_id: str = ""
    project: str = ""


@contextmanager
def confined() -> Iterator[None]:
    """Work as the application, for no project yet, in a transaction of its own."""
    with _standing(Standing(ROLE)):
        yield


@contextmanager
def within(project_id: int, project: str) -> Iterator[None]:
    """Work as the application, for one project: how work outside a view's transaction enters."""
    with _standing(Standing(ROLE, str(project_id), project)):
        yield


@contextmanager
def system() -> Iterator[None]:
    """Work for the whole platform: no row is hidden. Say why at each use."""
    with _standing(Standing(NOBODY)):
        yield


def enter(project_id: int, project: str) -> None:
    """Name the project whose rows are shown until the present transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.project_id', %s, true), set_config('app.project', %s, true)",
            [str(project_id), project],
        )


def see_log_of(project: str) -> str:
    """Let the audit log of one project be seen in this transaction; return whose was, before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(current_setting('app.project', true), ''),"
            " set_config('app.project', %s, true)",
            [project],
        )
        row: tuple[str, str] = cursor.fetchone() or ("", "")
    return row[0]


def confine_process() -> None:
    """Let every connection of this process assume the role as soon as it is opened.

    For processes that serve people: then code that forgets to enter a project, anywhere,
    sees nothing rather than everything. Call it before the first connection.
    """
    # Django's own ``assume_role`` waits for ever together with a pool (it asks the pool for a
    # connection while it prepares one), so the server is told when the session starts.
    options = connections.settings["default"]["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c role={ROLE}".strip()


@contextmanager
def _standing(wanted: Standing) -> Iterator[None]:
    is_nested = connection.in_atomic_block
    with transaction.atomic():
        before = _assume(wanted)
        yield
        # The end of a transaction, and a failure inside one, take all this back by themselves.
        if is_nested and not connection.needs_rollback:
            _assume(before)


def _assume(wanted: Standing) -> Standing:
    with connection.cursor() as cursor:
        cursor.execute(_SWAP, [wanted.role, wanted.project_id, wanted.project])
        row: tuple[str, ...] = cursor.fetchone() or (NOBODY, "", "")
    return Standing(*row[:3])
