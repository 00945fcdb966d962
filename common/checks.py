"""Say before a migration what it would fail on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import Error, Tags, register
from django.db import Error as DatabaseError

from common import row_security


@register(Tags.database)
def role_can_be_assumed(*, databases: Sequence[str] | None = None, **_options: Any) -> list[Error]:
    """Ask whether the application's role is there, or can be made."""
    if "default" not in (databases or ()):
        return []
    try:
        fault = row_security.fault()
    except DatabaseError:
        # That the database does not answer is said by whatever asks next, and better.
        return []
    if fault is None:
        return []
    return [Error(fault, hint="See docs/adr/0011-row-level-security.md.", id="xerotier.E020")]
