"""Endpoints, in the admin console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from catalog import selectors as catalog
from catalog import services as catalog_services
from catalog import terms
from catalog.models import ServiceTier, TierTerms
from common import clock
from common.admin import KeptAdmin, ReadOnlyAdmin, operator
from common.problems import Problem
from endpoints import services
from endpoints.forms import TERM_FIELDS, TierForm
from endpoints.models import Endpoint


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """Every project's endpoints. Slugs are permanent; operators may pause and resume."""

    list_display = ["slug", "project", "model", "tier", "state", "created_at", "public_id"]
    list_filter = ["state", "tier", "model", "created_at"]
    search_fields = ["slug", "public_id", "project__slug", "project__public_id"]
    list_select_related = ["project", "model", "tier"]
    actions = ["pause", "resume"]

    @admin.action(description="Pause: refuse new requests")
    def pause(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        """Pause the chosen endpoints."""
        for endpoint in chosen:
            try:
                services.pause_endpoint(endpoint=endpoint, by=operator(request))
            except Problem as problem:
                messages.error(request, f"{endpoint.slug}: {problem.message}")

    @admin.action(description="Resume: answer again")
    def resume(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        """Resume the chosen endpoints."""
        for endpoint in chosen:
            try:
                services.resume_endpoint(endpoint=endpoint, by=operator(request))
            except Problem as problem:
                messages.error(request, f"{endpoint.slug}: {problem.message}")


def _column(number: terms.Number) -> Callable[[TierTerms], str]:
    @admin.display(description=number.label)
    def shown(row: TierTerms) -> str:
        return number.show(getattr(row, number.name))

    return shown


class TermsInline(TabularInline):  # type: ignore[misc] # why: unfold ships no types
    """A tier's terms, newest first, as people write them. They stay: they were billed on."""

    model = TierTerms
    extra = 0
    can_delete = False
    fields = readonly_fields = ["effective_from", "begun_at", *map(_column, terms.NUMBERS)]
    ordering = ["-number"]

    def has_add_permission(self, request: HttpRequest, obj: ServiceTier | None = None) -> bool:
        """Refuse: the form above starts from the terms in force."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: ServiceTier | None = None) -> bool:
        """Refuse: new terms supersede, old ones stay."""
        return False


@admin.register(ServiceTier)
class ServiceTierAdmin(KeptAdmin):
    """Tiers: their words may change; their numbers are superseded by new terms."""

    form = TierForm
    list_display = ["name", "slug", "rank", "is_offered", "is_self_hosted", "is_preemptible"]
    list_filter = ["is_offered"]
    search_fields = ["slug", "name"]
    inlines = [TermsInline]
    actions = ["withdraw"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a tier without terms could serve nobody."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: ServiceTier | None = None) -> Any:
        """Return the words, and the numbers apart."""
        numbers = "Price and limits: what you change here becomes a new version"
        return [(None, {"fields": TierForm.Meta.fields}), (numbers, {"fields": TERM_FIELDS})]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ServiceTier | None = None
    ) -> list[str]:
        """Return what may not change once the tier exists."""
        return ["slug", "is_self_hosted"] if obj else []

    def save_model(self, request: HttpRequest, obj: ServiceTier, form: Any, change: bool) -> None:
        """Save the words, and changed numbers as new terms."""
        super().save_model(request, obj, form, change)
        changes = form.changes()
        if changes:
            catalog_services.supersede_terms(
                tier=obj,
                changes=changes,
                effective_from=form.cleaned_data["begins"],
                by=operator(request),
            )

    @admin.action(description="Withdraw prices and limits that have not begun")
    def withdraw(self, request: HttpRequest, chosen: QuerySet[ServiceTier]) -> None:
        """Take back what is to come of the chosen tiers."""
        for tier in chosen:
            for row in catalog.terms_to_come(tier, clock.now()):
                catalog_services.withdraw_terms(row=row, by=operator(request))
                messages.success(request, f"Version {row.number} of {tier.slug} is withdrawn.")
