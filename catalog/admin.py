"""The catalog and the tiers, in the admin console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from catalog import services
from catalog.models import CatalogModel
from common.admin import KeptAdmin, operator

_SAID = [
    "title",
    "summary",
    "card",
    "task",
    "family",
    "licence",
    "parameters",
    "size_bytes",
    "context_length",
    "dimensions",
    "formats",
    "tags",
    "capabilities",
    "defaults",
    "is_listed",
]


@admin.register(CatalogModel)
class CatalogModelAdmin(KeptAdmin):
    """What may be deployed. A model's name is for life."""

    list_display = ["title", "name", "task", "parameters", "licence", "is_listed", "added_at"]
    list_filter = ["task", "is_listed", "family", "licence"]
    search_fields = ["name", "title", "family", "tags"]
    fields = ["name", *_SAID]

    def get_readonly_fields(
        self, request: HttpRequest, obj: CatalogModel | None = None
    ) -> list[str]:
        """Return what may not change once the model exists."""
        return ["name"] if obj else []

    def save_model(self, request: HttpRequest, obj: CatalogModel, form: Any, change: bool) -> None:
        """Save by the service, so that the data plane is told."""
        fields = {name: form.cleaned_data[name] for name in _SAID}
        obj.pk = services.save_model(name=obj.name, fields=fields, by=operator(request)).pk
