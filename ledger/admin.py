"""Money, in the admin console: to look at, and to grant."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from common.actor import Actor, ActorKind
from common.admin import KeptAdmin, ReadOnlyAdmin
from common.money import UNIT, money
from ledger import services
from ledger.models import LedgerEntry, UnmatchedPayment
from ledger.rules import EntryKind

_BY_HAND = [
    (kind.value, kind.label) for kind in (EntryKind.TOP_UP, EntryKind.REFUND, EntryKind.ADJUSTMENT)
]


class EntryForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """A movement as an operator types it in: units of the currency, two to six places."""

    kind = forms.ChoiceField(choices=_BY_HAND)
    units = forms.DecimalField(
        label="Amount",
        decimal_places=6,
        max_digits=15,
        help_text="Such as 12.50, in the platform’s currency; adjustments may be negative",
    )
    note = forms.CharField(max_length=240, help_text="Why: the project sees this")

    class Meta:
        model = LedgerEntry
        fields = ["project", "kind", "note"]

    def clean(self) -> dict[str, Any]:
        """Refuse an amount that the service would refuse."""
        said: dict[str, Any] = super().clean() or {}
        amount = int(said.get("units", 0) * UNIT)
        if amount == 0 or (amount < 0 and said.get("kind") != EntryKind.ADJUSTMENT):
            raise forms.ValidationError("Only an adjustment may take away, and none may be zero.")
        return said


@admin.register(UnmatchedPayment)
class UnmatchedPaymentAdmin(ReadOnlyAdmin):
    """Payments that were credited to nobody: pay back, or grant credit by hand."""

    list_display = ["reference", "project", "minor", "currency", "reason", "seen_at"]
    search_fields = ["reference", "project"]
    list_filter = ["currency", "seen_at"]


@admin.register(LedgerEntry)
class LedgerAdmin(KeptAdmin):
    """Every movement of every project. New ones may be added; none can be changed."""

    form = EntryForm
    list_display = ["id", "at", "project", "kind", "moved", "request_id", "note", "written_by"]
    list_filter = ["kind", "at"]
    search_fields = ["project__slug", "project__public_id", "request_id", "reference", "note"]
    list_select_related = ["project"]
    autocomplete_fields = ["project"]
    show_full_result_count = False

    @admin.display(description="Amount", ordering="amount")
    def moved(self, entry: LedgerEntry) -> str:
        """Return the amount for people."""
        return money(entry.amount)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a ledger is written once."""
        return False

    def save_model(self, request: HttpRequest, obj: LedgerEntry, form: Any, change: bool) -> None:
        """Move the money by the service, so that the data plane is told."""
        said = form.cleaned_data
        move = {
            EntryKind.TOP_UP: services.top_up,
            EntryKind.REFUND: services.refund,
            EntryKind.ADJUSTMENT: services.adjust,
        }[EntryKind(said["kind"])]
        by = Actor(ActorKind.PERSON, str(request.user.pk), str(request.user))
        entry = move(
            project=said["project"], amount=int(said["units"] * UNIT), note=said["note"], by=by
        )
        obj.pk = entry.pk
