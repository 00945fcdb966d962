"""API keys, in the admin console: what they may do, never what they are."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from apikeys import services
from apikeys.models import ApiKey, KeySecret
from common.admin import ReadOnlyAdmin, operator


class SecretInline(TabularInline):  # type: ignore[misc] # why: unfold ships no types
    """A key's secrets: the hints people recognise them by, no digest."""

    model = KeySecret
    fields = ["hint", "pepper", "issued_at", "ends_at", "last_used_at"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Refuse: services mint secrets."""
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Every project's keys. An operator may revoke one, and nothing else."""

    list_display = ["name", "project", "public_id", "scopes", "issued_at", "expires_at"]
    list_display += ["revoked_at"]
    list_filter = ["issued_at", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "public_id", "project__slug", "project__public_id", "secrets__hint"]
    list_select_related = ["project"]
    inlines = [SecretInline]
    exclude = ["version"]
    actions = ["revoke"]

    @admin.action(description="Revoke: refused everywhere within a second")
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        """Revoke the chosen keys."""
        for key in chosen:
            services.revoke_key(key=key, by=operator(request))
        self.message_user(request, f"{len(chosen)} keys revoked.")
