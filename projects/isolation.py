"""Which tables get a wall: every one that belongs to a tenant, found among the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models

from audit.models import AuditAnchor, AuditEntry
from common import row_security
from common.row_security import Policy, TenantKey
from projects.models import Project, ProjectOwned

_AUDIT = """project = CASE current_setting('app.project', true)
    WHEN '' THEN NULL WHEN '-' THEN '' ELSE current_setting('app.project', true) END"""
"""The log knows projects by their public id; ``-`` is the chain of the platform itself."""


def raise_all(**_signal: Any) -> None:
    """Give every tenant's table its wall. Runs after each ``migrate``."""
    row_security.apply_policies(list(all_policies()), list(all_tenant_keys()))


def owned() -> list[type[models.Model]]:
    """Return the models whose rows belong to one project."""
    return [model for model in _tables() if issubclass(model, ProjectOwned)]


def shared() -> list[type[models.Model]]:
    """Return the models whose rows belong to one project, or to the platform and so to all."""
    return [
        model
        for model in _tables()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is Project and field.null
    ]


def all_policies() -> Iterator[Policy]:
    """Yield the wall of every table that holds what only one tenant may see."""
    for model in owned():
        yield Policy(model._meta.db_table, row_security.OWN)
    for model in shared():
        hides = getattr(model, "HIDES_THE_PLATFORMS", False)
        seen = row_security.OWN if hides else row_security.OWN_OR_NOBODYS
        yield Policy(model._meta.db_table, seen, check=row_security.OWN)
    for child, field in _children():
        parent: Any = field.related_model
        key = parent._meta.pk.column
        table = parent._meta.db_table
        mine = f'"{child._meta.db_table}"."{field.column}"'
        # Asked as the same role, so it sees only the parents of the project.
        has_parent = f'EXISTS (SELECT 1 FROM "{table}" up WHERE up."{key}" = {mine})'  # noqa: S608 - names of our own models
        yield Policy(child._meta.db_table, has_parent)
    yield Policy(AuditEntry._meta.db_table, _AUDIT, revoked="UPDATE, DELETE")
    yield Policy(AuditAnchor._meta.db_table, "false", revoked="INSERT, UPDATE, DELETE")


def all_tenant_keys() -> Iterator[TenantKey]:
    """Yield every reference from one tenant's row to another: both must be of one tenant."""
    for model in owned():
        for field in _references(model):
            target: Any = field.related_model
            yield TenantKey(
                model._meta.db_table, field.column, target._meta.db_table, target._meta.pk.column
            )


def _tables() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]


def _children() -> Iterator[tuple[type[models.Model], models.ForeignKey[Any, Any]]]:
    walled = {*owned(), *shared()}
    for model in _tables():
        if model not in walled:
            for field in _foreign_keys(model):
                if field.related_model in walled and not field.null:
                    yield model, field
                    break


def _references(model: type[models.Model]) -> Iterator[models.ForeignKey[Any, Any]]:
    for field in _foreign_keys(model):
        target: Any = field.related_model
        if issubclass(target, ProjectOwned):
            yield field


def _foreign_keys(model: type[models.Model]) -> Iterator[models.ForeignKey[Any, Any]]:
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey):
            yield field
