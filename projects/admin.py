"""Tenants, in the admin console."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import action

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

    actions_detail = ["tenant"]

    @action(description="Suspend, credit, limits …", url_path="tenant")  # type: ignore[untyped-decorator] # why: unfold ships no types
    def tenant(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the page where something can be done about it."""
        project = Project.objects.filter(pk=object_id).first()
        return redirect("tenant", public_id=project.public_id) if project else redirect("tenants")

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
