"""A budget's form. It checks shapes; what is allowed is decided by the services."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms

from common.money import UNIT, money
from dashboard.shell.typed import AmountField

if TYPE_CHECKING:
    from usage.models import Budget


class BudgetForm(forms.Form):
    """What something may cost in a month, and whether that is a ceiling."""

    subject_id = forms.CharField(
        label="For",
        max_length=100,
        error_messages={"required": "Say what the budget is for."},
        help_text="The whole project, an endpoint by its slug, or a key by its name.",
        widget=forms.TextInput(attrs={"list": "subject_id-names", "autocomplete": "off"}),
    )
    amount = AmountField(
        label="Amount a month",
        min_value=Decimal("0.01"),
        max_value=Decimal(1_000_000_000),
        decimal_places=6,
        error_messages={
            "required": "Say how much it may cost in a month.",
            "invalid": f"Write an amount, such as 25, {money(50 * UNIT)} or 1,250.50.",
            "min_value": "Give at least 0.01.",
        },
        help_text="Counted by UTC month. Owners and admins are told at 50, 75, 90 and 100 %.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    is_enforced = forms.BooleanField(
        required=False,
        label="Stop at the limit",
        help_text="Requests beyond it are refused until the next month. Otherwise it only warns.",
    )

    def __init__(
        self,
        *args: Any,
        subject: str = "",
        budget: Budget | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["initial"] = {"subject_id": subject}
        if budget is not None:
            amount = (Decimal(budget.amount) / UNIT).normalize()
            kwargs["initial"] |= {"amount": f"{amount:f}", "is_enforced": budget.is_enforced}
        super().__init__(*args, **kwargs)
        # What a budget is for stays: another thing gets another budget.
        self.fields["subject_id"].disabled = budget is not None

    def micro(self) -> int:
        """Return the amount in micro-units."""
        return int(self.cleaned_data["amount"] * UNIT)
