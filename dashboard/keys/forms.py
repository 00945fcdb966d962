"""What the page of one key asks for."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms

from apikeys import rules
from apikeys.rules import Scope
from dashboard.shell.typed import WholeField
from dashboard.templatetags.figures import WINDOWS

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


class QuotaFields(forms.Form):
    """How many requests a key may make in each window."""

    requests = WholeField(
        required=False,
        min_value=1,
        max_value=rules.MAX_QUOTA,
        error_messages={
            "invalid": "Write a whole number.",
            "min_value": "Give at least 1 request, or leave it empty for no limit.",
        },
        help_text="Empty: no limit of its own; the endpoint's tier still counts.",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    window_s = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, label="Each", choices=sorted(WINDOWS.items())
    )


class QuotaForm(QuotaFields):
    """The quota of a key that exists."""

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        window_s = key.quota_window_s or min(WINDOWS)
        kwargs["initial"] = {"requests": key.quota_requests, "window_s": window_s}
        super().__init__(*args, **kwargs)
        windows = dict(WINDOWS)
        # By API any number of seconds can be set.
        windows.setdefault(window_s, f"{window_s:,} seconds")
        field = cast("forms.TypedChoiceField", self.fields["window_s"])
        field.choices = sorted(windows.items())

    def changes(self) -> KeyChanges:
        """Return the quota; without a number of requests there is none."""
        return quota_said(self.cleaned_data)


class NewKeyForm(KeyFields, IpForm, QuotaFields):
    """A new key: what it may do, from where, and how often."""

    field_order = ["name", "scopes", "endpoint", "expires_at"]
    BEHIND = ("allow", "block", "requests", "window_s")
    """What few keys need: shown when one asks for it."""

    def first(self) -> list[forms.BoundField]:
        """Return what every key is asked."""
        return [field for field in self if field.name not in self.BEHIND]

    def behind(self) -> list[forms.BoundField]:
        """Return what stays folded away."""
        return [self[name] for name in self.BEHIND]

    def is_open(self) -> bool:
        """Say whether something stands in what is folded away, or is wrong there."""
        return any(self[name].errors or self[name].value() for name in self.BEHIND[:3])

    def limits(self) -> KeyChanges:
        """Return from where the key may be used, and how often."""
        return {**rules_said(self.cleaned_data), **quota_said(self.cleaned_data)}

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


def quota_said(said: dict[str, Any]) -> KeyChanges:
    """Return the quota that was typed; without a number of requests there is none."""
    requests = said["requests"]
    window_s = (said["window_s"] or min(WINDOWS)) if requests else None
    return {"quota_requests": requests, "quota_window_s": window_s}


def _day(moment: datetime | None) -> date | None:
    return moment.astimezone(UTC).date() if moment else None


def _end_of(day: date | None) -> datetime | None:
    return datetime.combine(day, time.max, tzinfo=UTC) if day else None
