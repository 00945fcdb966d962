"""The catalog and the tiers, in the admin console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline

from catalog import services
from catalog.models import CatalogModel, ServiceTier, TierTerms
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


class TermsInline(TabularInline):  # type: ignore[misc] # why: unfold ships no types
    """A tier's terms, newest first. Old ones stay: requests were billed on them."""

    model = TierTerms
    extra = 0
    can_delete = False
    readonly_fields = ["number", "begun_at"]
    ordering = ["-number"]

    def has_change_permission(self, request: HttpRequest, obj: ServiceTier | None = None) -> bool:
        """Refuse: new terms supersede, old ones stay."""
        return False


@admin.register(ServiceTier)
class ServiceTierAdmin(KeptAdmin):
    """Tiers: their words may change; their numbers are superseded by new terms."""

    list_display = ["name", "slug", "rank", "is_offered", "is_preemptible"]
    list_filter = ["is_offered"]
    search_fields = ["slug", "name"]
    inlines = [TermsInline]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ServiceTier | None = None
    ) -> list[str]:
        """Return what may not change once the tier exists."""
        return ["slug"] if obj else []

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Give the tier each new row as terms of its own."""
        formset.save(commit=False)
        for added in formset.new_objects:
            numbers = {
                field.name: getattr(added, field.name)
                for field in TierTerms._meta.concrete_fields
                if field.name not in {"id", "tier", "number", "effective_from", "begun_at"}
            }
            services.set_terms(
                tier=form.instance,
                numbers=numbers,
                effective_from=added.effective_from,
                by=operator(request),
            )
