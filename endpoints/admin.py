"""Endpoints, in the admin console."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from common.admin import ReadOnlyAdmin, operator
from common.problems import Problem
from endpoints import services
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
