"""Forms of members and invitations. They check shapes; the services decide what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES = (
    ("owner", "Owner: everything, also money, ownership and deletion"),
    ("admin", "Admin: everything but money, ownership and deletion"),
    ("member", "Member: endpoints and keys of their own, and usage"),
    ("viewer", "Viewer: looks, and changes nothing"),
)


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
