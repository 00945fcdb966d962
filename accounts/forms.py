"""What allauth asks people, where we ask it otherwise."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.forms import SignupForm
from allauth.core import context
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from accounts import letters

INVITED = "invited"
"""Where a session keeps the invitation that was looked at: path, project and address."""


class Registration(SignupForm):  # type: ignore[misc] # why: allauth ships no types
    """allauth's, which takes as long for an address that is here already as for a new one.

    Who comes from an invitation registers with the address it was sent to.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invited: dict[str, str] = _invitation(context.request)
        if self.invited:
            self.initial["email"] = self.invited["email"]
            self.fields["email"].widget.attrs["readonly"] = True

    def clean_email(self) -> str:
        """Hold who was invited to the address that was."""
        email = str(super().clean_email())
        if self.invited and email.lower() != self.invited["email"]:
            raise forms.ValidationError(f"The invitation is for {self.invited['email']}.")
        return email

    def try_save(self, request: HttpRequest) -> Any:
        """Save a newcomer; write to whoever is here already, and hash for them all the same."""
        letters.count(request, self.cleaned_data["email"])
        if self.account_already_exists:
            make_password(self.cleaned_data.get("password1"))
        return super().try_save(request)


class NameForm(forms.Form):
    """What a person is called."""

    name = forms.CharField(
        required=False,
        max_length=120,
        help_text="Shown to the members of your projects. Leave it empty to be shown by your "
        "e-mail address.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


def _invitation(request: HttpRequest) -> dict[str, str]:
    """Return the invitation this registration leads back to, if it does."""
    found: dict[str, str] = request.session.get(INVITED) or {}
    back = request.POST.get("next") or request.GET.get("next") or ""
    return found if found and urlsplit(back).path == found["path"] else {}


class AddPasskey(AddWebAuthnForm):  # type: ignore[misc] # why: allauth ships no types
    """A passkey that can sign in by itself, unless one says otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["passwordless"]
        field.initial = True
        field.label = "Sign in with it, without a password"
        field.help_text = (
            "Untick this for a key without fingerprint, face or PIN: it is a second factor only."
        )
