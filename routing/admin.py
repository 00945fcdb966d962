"""Decisions, in the admin console."""

from __future__ import annotations

from django.contrib import admin

from common.admin import ReadOnlyAdmin
from routing.models import KeptDecision


@admin.register(KeptDecision)
class KeptDecisionAdmin(ReadOnlyAdmin):
    """Every kept choice of a worker, with all it was made from. Operators see true names."""

    list_display = ["request_id", "attempt", "at", "project", "endpoint", "worker_id"]
    list_display += ["kept_because", "target", "ending", "ttft_us"]
    list_filter = ["kept_because", "target", "at"]
    search_fields = ["request_id", "endpoint", "worker_id", "project__slug"]
    list_select_related = ["project"]
