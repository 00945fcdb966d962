"""A project's forms. They check shapes; what is allowed is decided by the services."""

from __future__ import annotations

from django import forms


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
