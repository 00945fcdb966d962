"""The catalog and the tiers, in the admin console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from catalog import services
from catalog.forms import CatalogForm
from catalog.models import CatalogModel
from common.admin import KeptAdmin, operator

_FIRST = ["name", "title", "summary", "task", "is_listed"]
_SERVING = ["size", "context_length", "dimensions", "defaults"]
_TOLD = ["parameters", "family", "licence", "formats", "tags", "capabilities", "card"]


@admin.register(CatalogModel)
class CatalogModelAdmin(KeptAdmin):
    """What may be deployed. A model's name is for life."""

    form = CatalogForm
    list_display = ["title", "name", "task", "parameters", "licence", "is_listed", "added_at"]
    list_filter = ["task", "is_listed", "family", "licence"]
    search_fields = ["name", "title", "family", "tags"]
    fieldsets = [
        (None, {"fields": _FIRST}),
        ("What serving it takes", {"fields": _SERVING}),
        ("What people read of it", {"fields": _TOLD}),
    ]
    actions = ["withdraw"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: CatalogModel | None = None
    ) -> list[str]:
        """Return what may not change once the model exists."""
        return ["name"] if obj else []

    def save_model(self, request: HttpRequest, obj: CatalogModel, form: Any, change: bool) -> None:
        """Save by the service, so that the data plane is told."""
        by = operator(request)
        if change:
            services.change_model(model=obj, changes=form.facts(), by=by)
        else:
            obj.pk = services.add_model(name=obj.name, said=form.facts(), by=by).pk

    @admin.action(description="Withdraw: no new endpoints")
    def withdraw(self, request: HttpRequest, chosen: QuerySet[CatalogModel]) -> None:
        """Offer the chosen models no more."""
        for model in chosen:
            services.withdraw_model(model=model, by=operator(request))
