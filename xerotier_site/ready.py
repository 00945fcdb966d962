"""Is the control plane ready? Each check answers with a sentence, or nothing if all is well."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

PATIENCE_S = 1.0


def database_ready() -> str | None:
    """Say why PostgreSQL can't be used."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as fault:
        return f"PostgreSQL does not answer: {type(fault).__name__}"
    return None


def migrations_ready() -> str | None:
    """Say how many migrations are still to be applied."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as fault:
        return f"migrations can't be read: {type(fault).__name__}"
    return f"{len(waiting)} migrations are not applied" if waiting else None


def valkey_ready() -> str | None:
    """Say why Valkey can't be used."""
    try:
        client = redis.Redis.from_url(
            settings.PLANE_VALKEY,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
        )
        with client:
            client.ping()
    except redis.RedisError as fault:
        return f"Valkey does not answer: {type(fault).__name__}"
    return None
