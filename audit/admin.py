"""The whole audit log, in the admin console: to read, to search, never to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from audit.models import AuditAnchor, AuditEntry
from common.admin import ReadOnlyAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Every entry of every project, and those of the platform itself."""

    list_display = ["at", "project", "number", "actor_name", "action", "object_kind", "object_id"]
    list_display += ["address"]
    list_filter: list[Any] = ["at", "actor_kind", "object_kind"]
    search_fields = ["project", "actor_name", "action", "object_id", "address", "request_id"]


@admin.register(AuditAnchor)
class AuditAnchorAdmin(ReadOnlyAdmin):
    """The heads of the chains, chained: the last one is worth keeping outside the platform."""

    list_display = ["number", "at", "project", "entry_number", "hash"]
    search_fields = ["project", "hash"]
