"""A new endpoint's form. It checks shapes; what is allowed is decided by the services."""

from __future__ import annotations

from django import forms

from catalog.rules import NAME_MAX
from dashboard.endpoints.where import WhereForm
from endpoints.rules import MAX_LENGTH


class EndpointForm(WhereForm):
    """A new endpoint: which model, on which tier, where, under which slug."""

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
