"""What an operator can do to a tenant at the console: one small form for each act."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from accounts.models import User
from common.actor import Actor
from common.money import UNIT, money
from endpoints import overrides, selectors
from endpoints.errors import EndpointUnknown
from endpoints.models import Endpoint
from endpoints.rules import LIMITS
from ledger import services as ledger
from projects import suspension
from projects.models import Project

_DATE = {"type": "date"}
_LOOK = (
    "border border-base-200 rounded-default px-3 py-2 w-full max-w-xl "
    "dark:bg-base-900 dark:border-base-700"
)
"""The console's own inputs; without it a field is not seen."""


class Plain(forms.Form):
    """An act that needs nothing said."""

    button: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = _LOOK


class SuspendForm(Plain):
    """Why, and until when."""

    button = "Suspend"
    reason = forms.CharField(max_length=240, help_text="The people concerned read it")
    until = forms.DateField(
        required=False,
        widget=forms.DateInput(_DATE),
        help_text="Lifts itself at the beginning of that day, UTC; empty: until you lift it",
    )


class LiftForm(Plain):
    """Take a suspension away."""

    button = "Lift the suspension"


class CreditForm(Plain):
    """Credit by hand, in the units people pay in."""

    button = "Grant credit"
    amount = forms.DecimalField(
        decimal_places=6,
        max_digits=15,
        min_value=Decimal("0.000001"),
        help_text="Such as 12.50, in the currency of this platform",
    )
    note = forms.CharField(max_length=240, help_text="The project reads it")


class OverrideForm(Plain):
    """Other limits than the tier's; what is left empty stays."""

    button = "Set limits"
    endpoint = forms.CharField(
        max_length=63, required=False, help_text="A slug; empty: all endpoints of the project"
    )
    requests_per_min = forms.IntegerField(required=False, min_value=1)
    tokens_per_min = forms.IntegerField(required=False, min_value=1)
    concurrent = forms.IntegerField(required=False, min_value=1, label="Running at once")
    monthly_tokens = forms.IntegerField(required=False, min_value=1)
    request_timeout_s = forms.IntegerField(required=False, min_value=1, label="Seconds to answer")
    idle_timeout_s = forms.IntegerField(required=False, min_value=1, label="Seconds of silence")
    reason = forms.CharField(max_length=240, help_text="The project reads it")
    ends_at = forms.DateField(
        required=False, widget=forms.DateInput(_DATE), label="Until", help_text="That day, UTC"
    )


class RestoreForm(Plain):
    """Put the tier's limits back."""

    button = "Put the tier’s limits back"
    endpoint = forms.CharField(max_length=63, required=False, help_text="Empty: of the project")


FORMS: dict[str, type[Plain]] = {
    "suspend": SuspendForm,
    "lift": LiftForm,
    "credit": CreditForm,
    "override": OverrideForm,
    "restore": RestoreForm,
}


PERSONAL = ("suspend", "lift")
"""What can be done to a person, too."""


def carry_out(act: str, whom: Project | User, said: dict[str, Any], by: Actor) -> str:
    """Do what a form says and return a sentence about it. Raises what the service raises."""
    if isinstance(whom, User):
        return _suspend_person(whom, said, by) if act == "suspend" else _lift_person(whom, by)
    return _ACTS[act](whom, said, by)


def _suspend_person(user: User, said: dict[str, Any], by: Actor) -> str:
    until = _begin(said["until"])
    shut = suspension.suspend_person(user=user, reason=said["reason"], until=until, by=by)
    named = ", ".join(project.slug for project in shut)
    return f"{user.email} is suspended" + (f", and with them {named}." if shut else ".")


def _lift_person(user: User, by: Actor) -> str:
    suspension.lift_person(user=user, by=by)
    return f"{user.email} can sign in again."


def _suspend(project: Project, said: dict[str, Any], by: Actor) -> str:
    until = _begin(said["until"])
    suspension.suspend_project(project=project, reason=said["reason"], until=until, by=by)
    return f"{project.slug} is suspended: its keys are refused within a second."


def _lift(project: Project, _said: dict[str, Any], by: Actor) -> str:
    suspension.lift_project(project=project, by=by)
    return f"{project.slug} is open again."


def _credit(project: Project, said: dict[str, Any], by: Actor) -> str:
    amount = int(said["amount"] * UNIT)
    ledger.top_up(project=project, amount=amount, note=said["note"], by=by)
    return f"{money(amount)} were granted to {project.slug}."


def _override(project: Project, said: dict[str, Any], by: Actor) -> str:
    limits = {name: said[name] for name in LIMITS if said[name] is not None}
    overrides.set_override(
        project=project,
        endpoint=_endpoint(project, said["endpoint"]),
        limits=limits,
        reason=said["reason"],
        ends_at=_begin(said["ends_at"]),
        by=by,
    )
    return "The limits are set; gateways know within a second."


def _restore(project: Project, said: dict[str, Any], by: Actor) -> str:
    endpoint = _endpoint(project, said["endpoint"])
    overrides.end_override(project=project, endpoint=endpoint, by=by)
    return "The tier’s limits are back."


_ACTS = {
    "suspend": _suspend,
    "lift": _lift,
    "credit": _credit,
    "override": _override,
    "restore": _restore,
}


def _endpoint(project: Project, slug: str) -> Endpoint | None:
    found = selectors.endpoint_of(project=project, slug=slug) if slug else None
    if slug and found is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.", param="endpoint")
    return found


def _begin(day: date | None) -> datetime | None:
    return datetime.combine(day, time.min, tzinfo=UTC) if day else None
