"""Usage, in the admin console."""

from __future__ import annotations

from django.contrib import admin

from common.admin import ReadOnlyAdmin
from usage.models import PoisonEvent, UsageRecord


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    """Every request of every project. Nobody changes these rows."""

    list_display = ["request_id", "started_at", "project", "endpoint", "model", "status"]
    list_display += ["ending", "tokens_in", "tokens_out", "source", "ttft_ms", "latency_ms"]
    list_filter = ["started_at", "status", "ending", "source", "tier", "operation"]
    search_fields = ["request_id", "caller_request_id", "endpoint", "key_id", "project__slug"]
    list_select_related = ["project"]


@admin.register(PoisonEvent)
class PoisonEventAdmin(ReadOnlyAdmin):
    """Events that could not be understood: set aside, never dropped."""

    list_display = ["stream", "entry_id", "reason", "seen_at"]
    list_filter = ["stream", "seen_at"]
    search_fields = ["entry_id", "body", "reason"]
