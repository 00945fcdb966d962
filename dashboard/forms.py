"""What pages ask for. A form checks shapes; what is allowed is decided by the services."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django import forms

from catalog.rules import NAME_MAX
from common.money import UNIT
from dashboard.typed import AmountField
from endpoints.rules import MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.problems import Problem
    from usage.models import Budget

ROLES = (
    ("owner", "Owner: everything, also money, ownership and deletion"),
    ("admin", "Admin: everything but money, ownership and deletion"),
    ("member", "Member: endpoints and keys of their own, and usage"),
    ("viewer", "Viewer: looks, and changes nothing"),
)


class EndpointForm(forms.Form):
    """A new endpoint: which model, on which tier, under which slug."""

    model = forms.CharField(
        max_length=NAME_MAX,
        error_messages={"required": "Choose a model."},
        widget=forms.HiddenInput,
    )
    tier = forms.CharField(
        max_length=40, error_messages={"required": "Choose a tier."}, widget=forms.HiddenInput
    )
    slug = forms.CharField(
        max_length=MAX_LENGTH,
        error_messages={"required": "Give the endpoint a slug."},
        widget=forms.TextInput(
            attrs={
                "class": "x-mono",
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "placeholder": "support-chat",
            }
        ),
    )


class ProjectForm(forms.Form):
    """What of a project can be changed: its name."""

    name = forms.CharField(
        max_length=120,
        error_messages={"required": "Give the project a name."},
        help_text="For people. The id and the slug stay as they are.",
    )


class OriginsForm(forms.Form):
    """Which pages may read what the project's endpoints answer."""

    origins = forms.CharField(
        required=False,
        max_length=16_000,
        strip=True,
        help_text="One a line, as https://app.example.org. A * lets every page.",
        widget=forms.Textarea(
            attrs={"rows": 3, "class": "x-mono", "spellcheck": "false", "autocomplete": "off"}
        ),
    )


class NewProjectForm(forms.Form):
    """A new project: its name, and the slug that stays for good."""

    name = forms.CharField(
        max_length=120,
        error_messages={"required": "Give the project a name."},
        help_text="For people; it can be changed later.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    slug = forms.CharField(
        max_length=32,
        error_messages={"required": "Give the project a slug."},
        help_text="It stands in every key, and never changes: 2 to 32 lower-case letters, "
        "digits and hyphens.",
        widget=forms.TextInput(
            attrs={"class": "x-mono", "autocomplete": "off", "autocapitalize": "off"}
        ),
    )
    starts = forms.BooleanField(required=False)


class InvitationForm(forms.Form):
    """Whom to ask in, and as what."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={
            "required": "Say whom to invite.",
            "invalid": "Write an e-mail address, such as grace@example.com.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "grace@example.com"}),
    )
    role = forms.ChoiceField(
        choices=ROLES[1:], initial="member", widget=forms.RadioSelect(attrs={"class": "radio"})
    )


class RoleForm(forms.Form):
    """Another role for a member: any that the one who decides may hand out."""

    role = forms.ChoiceField(
        choices=ROLES, label="New role", widget=forms.RadioSelect(attrs={"class": "radio"})
    )

    def __init__(self, *args: Any, roles: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ChoiceField", self.fields["role"])
        field.choices = [choice for choice in ROLES if choice[0] in roles]


class HeirForm(forms.Form):
    """Who becomes the owner."""

    member = forms.CharField(
        label="New owner",
        max_length=254,
        error_messages={"required": "Choose who becomes the owner."},
        help_text="A member of this project, by their e-mail address.",
        widget=forms.TextInput(attrs={"list": "member-names", "autocomplete": "off"}),
    )


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
            "invalid": "Write an amount, such as 25, $50 or 1,250.50.",
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


def attach(form: forms.Form, problem: Problem) -> None:
    """Show a service's refusal beside the field it speaks of, or above the form."""
    # ``allow.3`` is the fourth of the field ``allow``.
    param = (problem.param or "").partition(".")[0]
    form.add_error(param if param in form.fields else None, problem.message)
