"""What a command names, found."""

from __future__ import annotations

from django.core.management.base import CommandError

from projects import selectors
from projects.models import Project


def named_project(named: str | None) -> Project | None:
    """Return the project of an id or slug; None where none is named. Raises ``CommandError``."""
    if named is None:
        return None
    found = selectors.project_named(named)
    if found is None:
        raise CommandError(f"There is no project “{named}”.")
    return found
