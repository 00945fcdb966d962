"""What the page of one key asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms

from apikeys import rules
from dashboard.forms import SCOPES
from dashboard.templatetags.figures import WINDOWS

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from apikeys.services import KeyChanges
    from endpoints.models import Endpoint

GRACES = (
    ("0", "It stops now"),
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


class ChangeForm(forms.Form):
    """A key's name, what it opens, where, and until when."""

    name = forms.CharField(max_length=80, error_messages={"required": "Give the key a name."})
    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        error_messages={"required": "Choose at least one scope."},
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox"}),
    )
    endpoint = forms.ChoiceField(required=False, label="Only for one endpoint")
    expires_at = forms.DateField(
        required=False,
        label="Last day",
        help_text="It ends when this day ends (UTC). Empty: it never ends by itself.",
        error_messages={"invalid": "Write a day, such as 2026-12-31."},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, key: ApiKey, slugs: Sequence[str], **kwargs: Any) -> None:
        self.key = key
        pin = key.endpoint.slug if key.endpoint else ""
        kwargs["initial"] = {
            "name": key.name,
            "scopes": key.scopes,
            "endpoint": pin,
            "expires_at": _day(key.expires_at),
        }
        super().__init__(*args, **kwargs)
        # A retired endpoint is in no list, and a key pinned to one keeps it until told otherwise.
        names = dict.fromkeys([*slugs, *filter(None, [pin])])
        field = cast("forms.ChoiceField", self.fields["endpoint"])
        field.choices = [("", "Any endpoint of the project"), *((name, name) for name in names)]

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
        allow, block = (
            [rule for rule in re.split(r"[\s,]+", self.cleaned_data[name]) if rule]
            for name in ("allow", "block")
        )
        return {"ip_allow": allow, "ip_block": block}


class QuotaForm(forms.Form):
    """How many requests a key may make in each window."""

    requests = forms.IntegerField(
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
    window_s = forms.TypedChoiceField(coerce=int, label="In each")

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
        requests = self.cleaned_data["requests"]
        window_s = self.cleaned_data["window_s"] if requests else None
        return {"quota_requests": requests, "quota_window_s": window_s}


class RotateForm(forms.Form):
    """How long the present secret goes on beside the new one."""

    grace_s = forms.TypedChoiceField(
        choices=GRACES,
        coerce=int,
        initial="86400",
        label="How long does the present secret go on?",
        widget=forms.RadioSelect(attrs={"class": "radio"}),
    )

    def grace(self) -> timedelta:
        """Return the time during which both secrets work."""
        return timedelta(seconds=self.cleaned_data["grace_s"])


def _day(moment: datetime | None) -> date | None:
    return moment.astimezone(UTC).date() if moment else None


def _end_of(day: date | None) -> datetime | None:
    return datetime.combine(day, time.max, tzinfo=UTC) if day else None
