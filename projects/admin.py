"""Tenants, in the admin console."""

from __future__ import annotations

from django.contrib import admin

from common.admin import KeptAdmin, ReadOnlyAdmin
from projects.models import Membership, Project


@admin.register(Project)
class ProjectAdmin(KeptAdmin):
    """Projects. Only the name people see may change; slug and id are in callers' hands."""

    list_display = ["name", "slug", "public_id", "created_at", "delete_after"]
    list_filter = ["created_at"]
    search_fields = ["name", "slug", "public_id", "memberships__user__email"]
    fields = ["name", "slug", "public_id", "created_at", "delete_after"]
    readonly_fields = ["slug", "public_id", "created_at", "delete_after"]

    def has_add_permission(self, request: object) -> bool:
        """Refuse: a project is opened by its first owner."""
        return False


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who sits where."""

    list_display = ["user", "project", "role", "since"]
    list_filter = ["role", "since"]
    search_fields = ["user__email", "project__slug", "project__public_id"]
    list_select_related = ["user", "project"]
