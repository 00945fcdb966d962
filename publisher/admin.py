"""Notes on their way to the data plane, in the admin console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from common.admin import ReadOnlyAdmin, operator
from common.models import OutboxDelivery
from publisher import shelf

STATES: dict[str, dict[str, Any]] = {
    "aside": {"done_at": None, "shelved_at__isnull": False},
    "waiting": {"done_at": None, "shelved_at": None},
    "done": {"done_at__isnull": False},
}


class StateFilter(admin.SimpleListFilter):
    """What has become of a delivery."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """Name the states."""
        return [("aside", "Given up"), ("waiting", "Waiting"), ("done", "Arrived or dropped")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]
    ) -> QuerySet[OutboxDelivery]:
        """Keep those in the chosen state."""
        return queryset.filter(**STATES.get(self.value() or "", {}))


@admin.register(OutboxDelivery)
class OutboxDeliveryAdmin(ReadOnlyAdmin):
    """Which reader had which note; what failed too often can be tried again or dropped."""

    list_display = ["id", "change", "reader", "due_at", "done_at", "shelved_at"]
    list_display += ["attempts", "fault"]
    list_filter: list[Any] = [StateFilter, "reader"]
    list_select_related = ["note"]
    actions = ["retry", "drop"]

    @admin.display(description="Change", ordering="note")
    def change(self, delivery: OutboxDelivery) -> str:
        """Return what changed, and which one."""
        return str(delivery.note)

    @admin.action(description="Try again")
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]) -> None:
        """Try the chosen deliveries again, those of them that were set aside."""
        arrived, chosen = shelf.retry(list(queryset), by=operator(request))
        level = messages.SUCCESS if arrived == chosen else messages.WARNING
        messages.add_message(request, level, f"{arrived} of {chosen} changes were published.")

    @admin.action(description="Drop")
    def drop(self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]) -> None:
        """Give the chosen deliveries up, those of them that were set aside."""
        dropped = shelf.drop(list(queryset), by=operator(request))
        messages.info(request, f"{dropped} changes were dropped.")
