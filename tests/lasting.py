"""Rows that last for a whole module of tests, where making them costs more than any test does.

Each test works in a savepoint of its own (its mark ``django_db`` sees to that), so every one
of them meets the rows as they were made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.test import override_settings


@contextmanager
def lasting(django_db_blocker: Any) -> Iterator[None]:
    """Let a fixture of a module make rows, and take them back when the module is over.

    The fixture must also ask for ``django_db_setup``.
    """
    # Hundreds of requests a minute by one caller are the point; limits have tests of their own.
    unlimited = override_settings(MANAGEMENT_PER_MIN=10**6)
    with django_db_blocker.unblock(), unlimited, transaction.atomic():
        yield
        transaction.set_rollback(True)
