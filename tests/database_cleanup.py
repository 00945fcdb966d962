"""Database cleanup: what a test committed is deleted; what the migrations made stays.

Django would truncate every table, which gives each new files, and make all content types and
permissions anew. The database is the same afterwards, and this takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}
"""Made by a signal after each migration or flush, and by nothing else."""


@pytest.fixture(autouse=True, scope="session")
def tidy() -> Iterator[None]:
    """Let tests that commit clean up our way, where the database's user may."""
    with pytest.MonkeyPatch.context() as patch:
        theirs = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined] # why: Django's own

        def clean_up(case: Any) -> None:
            if may_delete_all():
                delete_all()
            else:
                theirs(case)

        patch.setattr(TransactionTestCase, "_fixture_teardown", clean_up)
        yield


def may_delete_all() -> bool:
    """Say whether we may pass by the triggers that forbid to delete what is final."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        [(is_super,)] = cursor.fetchall()
    return bool(is_super)


def delete_all() -> None:
    """Delete every row, once nobody writes any more: a live server may still be at it."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(name) for name in names if name not in KEPT]
    filled = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})"  # noqa: S608 - names of ours
        for name in tables
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"LOCK TABLE {', '.join(tables)}")
        cursor.execute(filled)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - as above
