"""What the page of one key asks for."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.http import QueryDict

from apikeys.rules import Scope
from dashboard.keys.limits import LIMIT_FORMS, LimitForm, columns_said

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from apikeys.services import KeyChanges
    from endpoints.models import Endpoint

SCOPES = (
    (Scope.INFERENCE.value, "Inference: call models, list them, read usage"),
    (Scope.MANAGEMENT.value, "Management: keys, endpoints and settings by API"),
)
"""What a key may open. The others of the API open nothing yet, so nobody is offered them."""
GRACES = (
    ("0", "End it immediately"),
    ("3600", "For 1 hour"),
    ("86400", "For 24 hours"),
    ("259200", "For 3 days"),
    ("604800", "For 7 days"),
)
_RULE_LIST = forms.Textarea(
    attrs={
        "class": "x-mono",
        "rows": 4,
        "spellcheck": "false",
        "autocapitalize": "off",
        "autocomplete": "off",
        "placeholder": "203.0.113.7\n10.0.0.0/8\n2001:db8::/32",
    }
)


class KeyFields(forms.Form):
    """A key's name, what it opens, where, and until when."""

    name = forms.CharField(
        max_length=80,
        error_messages={"required": "Give the key a name."},
        help_text="Where it will be used, so that you know what breaks when you revoke it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "ci-runner"}),
    )
    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        initial=[Scope.INFERENCE.value],
        error_messages={"required": "Choose at least one scope."},
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox"}),
    )
    endpoint = forms.CharField(
        required=False,
        max_length=63,
        label="Endpoint",
        help_text="A slug, if the key is for one endpoint only; every other one refuses it.",
        widget=forms.TextInput(
            attrs={
                "class": "x-mono",
                "list": "endpoint-names",
                "autocomplete": "off",
                "placeholder": "any endpoint",
            }
        ),
    )
    expires_at = forms.DateField(
        required=False,
        label="Expires",
        help_text="It ends when this day ends (UTC). Empty: it never expires.",
        error_messages={"invalid": "Write a day, such as 2026-12-31."},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )


class ChangeForm(KeyFields):
    """What can be changed of a key that exists."""

    field_order = ["name", "scopes", "endpoint", "expires_at"]

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        self.key = key
        pin = key.endpoint.slug if key.endpoint else ""
        kwargs["initial"] = {
            "name": key.name,
            "scopes": key.scopes,
            "endpoint": pin,
            "expires_at": _day(key.expires_at),
        }
        super().__init__(*args, **kwargs)
        # A scope given by API that pages don't offer is not taken away by saving a name.
        scopes = cast("forms.MultipleChoiceField", self.fields["scopes"])
        offered = dict(SCOPES)
        scopes.choices = [*SCOPES, *((one, one) for one in key.scopes if one not in offered)]

    def changes(self, endpoint: Endpoint | None) -> KeyChanges:
        """Return what was said; an expiry on the day it had keeps its very moment."""
        said = self.cleaned_data
        found: KeyChanges = {
            "name": said["name"],
            "scopes": said["scopes"],
            "endpoint": endpoint,
        }
        if said["expires_at"] != _day(self.key.expires_at):
            found["expires_at"] = _end_of(said["expires_at"])
        return found


class IpForm(forms.Form):
    """From where a key may be used: two lists, one rule a line."""

    allow = forms.CharField(
        required=False,
        label="Allowed addresses",
        help_text="One address or range a line, IPv4 or IPv6. Empty: from everywhere.",
        widget=_RULE_LIST,
    )
    block = forms.CharField(
        required=False,
        label="Blocked addresses",
        help_text="Refused even if the list above allows them.",
        widget=_RULE_LIST,
    )

    @classmethod
    def of(cls, key: ApiKey) -> IpForm:
        """Return the form as the key's rules fill it."""
        return cls(initial={"allow": "\n".join(key.ip_allow), "block": "\n".join(key.ip_block)})

    def changes(self) -> KeyChanges:
        """Return both lists; commas part rules as well as lines do."""
        return rules_said(self.cleaned_data)


LIMIT_NAMES = tuple(form.limit.name for form in LIMIT_FORMS)


@dataclass(frozen=True, slots=True)
class Forms:
    """What can be changed about a key, as it stands or as it was just sent."""

    change: ChangeForm
    ip: IpForm
    limits: tuple[LimitForm, ...]

    @property
    def faulty(self) -> forms.Form | None:
        """Return the form that was refused, if one was."""
        return next((form for form in (self.change, self.ip, *self.limits) if form.errors), None)

    def with_limit(self, name: str, sent: QueryDict, key: ApiKey) -> tuple[Forms, LimitForm]:
        """Return these with one of the limits as it was sent, and that."""
        at = LIMIT_NAMES.index(name)
        form = LIMIT_FORMS[at](sent, key=key)
        return replace(self, limits=(*self.limits[:at], form, *self.limits[at + 1 :])), form


def forms_of(key: ApiKey) -> Forms:
    """Return the forms as a key fills them."""
    limits = tuple(form(key=key) for form in LIMIT_FORMS)
    return Forms(ChangeForm(key=key), IpForm.of(key), limits)


class NewKeyForm(KeyFields, IpForm):
    """A new key: what it may do, from where, and its own limits."""

    field_order = ["name", "scopes", "endpoint", "expires_at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for form in LIMIT_FORMS:
            self.fields.update(deepcopy(form.base_fields))

    def first(self) -> list[forms.BoundField]:
        """Return what every key is asked."""
        return [field for field in self if field.name in KeyFields.base_fields]

    def behind(self) -> list[forms.BoundField]:
        """Return what stays folded away: few keys need it, and it is shown when one asks."""
        return [field for field in self if field.name not in KeyFields.base_fields]

    @property
    def behind_title(self) -> str:
        """Name what is folded away."""
        *names, last = ("Allowed addresses", *LIMIT_NAMES)
        return f"{', '.join(names)} and {last}"

    def is_open(self) -> bool:
        """Say whether something stands in what is folded away, or is wrong there."""
        names = ["allow", "block", *(form.switch() for form in LIMIT_FORMS)]
        return any(self[name].errors or self[name].value() for name in names)

    def limits(self) -> KeyChanges:
        """Return from where the key may be used, and its own limits."""
        return {**rules_said(self.cleaned_data), "figures": columns_said(self.cleaned_data)}

    def expiry(self) -> datetime | None:
        """Return the moment the key ends: the end of a UTC day, or never."""
        return _end_of(self.cleaned_data["expires_at"])


class RotateForm(forms.Form):
    """How long the present secret goes on beside the new one."""

    grace_s = forms.TypedChoiceField(
        choices=GRACES,
        coerce=int,
        initial="86400",
        label="Keep the old key working for",
        widget=forms.RadioSelect(attrs={"class": "radio"}),
    )

    def grace(self) -> timedelta:
        """Return the time during which both secrets work."""
        return timedelta(seconds=self.cleaned_data["grace_s"])


def rules_said(said: dict[str, Any]) -> KeyChanges:
    """Return what was typed into both lists of addresses; commas part rules as lines do."""
    allow, block = (
        [rule for rule in re.split(r"[\s,]+", said[name]) if rule] for name in ("allow", "block")
    )
    return {"ip_allow": allow, "ip_block": block}


def _day(moment: datetime | None) -> date | None:
    return moment.astimezone(UTC).date() if moment else None


def _end_of(day: date | None) -> datetime | None:
    return datetime.combine(day, time.max, tzinfo=UTC) if day else None
