"""What is asked of a backend: where it is, what it wants, which of its models it shall serve."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from agents.backend_shapes import URL_MAX
from agents.backends import CREDENTIAL_MAX, SLOTS_MAX
from agents.models import NAME_LENGTH
from common import vault
from dashboard.shell.typed import WholeField

_SLOTS = f"A backend serves 1 to {SLOTS_MAX:,} requests at once, or any number."
_PLAIN = "A credential is plain letters, digits and signs."


class CredentialForm(forms.Form):
    """What a server wants as bearer. Typed once: between two steps it travels sealed.

    ``kept`` opens for the project and the URL it was typed for, and for nothing else, so that
    no credential follows to another address.
    """

    credential = forms.CharField(
        required=False,
        max_length=CREDENTIAL_MAX,
        widget=forms.PasswordInput(attrs={"class": "x-mono", "autocomplete": "off"}),
        help_text="What the server wants as bearer. It is kept sealed and never shown again. "
        "Empty: it wants none.",
    )
    kept = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_credential(self) -> str:
        """Refuse what can't stand in a header."""
        said: str = self.cleaned_data["credential"]
        if not (said.isascii() and said.isprintable()):
            raise forms.ValidationError(_PLAIN)
        return said

    def credential_for(self, place: str) -> str:
        """Return what was typed now, or in the step before for the same place."""
        return self.cleaned_data["credential"] or opened(self.cleaned_data["kept"], place)


class BackendForm(CredentialForm):
    """A new backend."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        error_messages={"required": "Give the backend a name."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "cloud"}),
    )
    url = forms.CharField(
        label="URL",
        max_length=URL_MAX,
        error_messages={"required": "Write the URL of the server."},
        help_text="The base of its OpenAI surface; most end with /v1. It is for life.",
        widget=forms.TextInput(
            attrs={
                "class": "x-mono",
                "autocomplete": "off",
                "inputmode": "url",
                "placeholder": "https://models.example.com/v1",
            }
        ),
    )
    slots = WholeField(
        label="Requests at once",
        required=False,
        min_value=1,
        max_value=SLOTS_MAX,
        error_messages=dict.fromkeys(("min_value", "max_value"), _SLOTS),
        help_text="Of each model, from each gateway; more wait or go elsewhere. Empty: any number.",
    )
    field_order = ("name", "url", "credential", "slots")


class ChangeForm(forms.Form):
    """What may change of a backend."""

    name = BackendForm.base_fields["name"]
    slots = BackendForm.base_fields["slots"]


def sealed(credential: str, place: str) -> str:
    """Return a credential for the next step of the same form; empty stays empty."""
    return vault.seal(json.dumps([place, credential])) if credential else ""


def opened(kept: str, place: str) -> str:
    """Return what was sealed for this place; empty if it was for another, or is no such thing."""
    try:
        meant, credential = json.loads(vault.unseal(kept)) if kept else (place, "")
    except (vault.VaultShut, ValueError):
        return ""
    return str(credential) if meant == place else ""


AS = "as:"
"""Before a model's name, in the name of the field that says as what it shall serve."""


def chosen(said: Any) -> dict[str, str]:
    """Return which models were chosen: the server's name for each → ours."""
    return {
        name.removeprefix(AS): value.strip()
        for name, value in said.items()
        if name.startswith(AS) and value.strip()
    }
