"""People, in the admin console."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.models import User
from common.admin import KeptAdmin

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(KeptAdmin):
    """Who registered. Passwords and factors are the person's own and never shown."""

    list_display = ["email", "name", "is_staff", "is_active", "joined_at", "last_login"]
    list_filter = ["is_staff", "is_active", "joined_at"]
    search_fields = ["email", "name"]
    fields = ["email", "name", "is_active", "is_staff", "is_superuser", "joined_at", "last_login"]
    readonly_fields = ["email", "joined_at", "last_login"]
    ordering = ["-joined_at"]

    def has_add_permission(self, request: object) -> bool:
        """Refuse: people register themselves."""
        return False
