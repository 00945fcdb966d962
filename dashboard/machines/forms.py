"""What is asked of a new join key, and of who suspends a machine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django import forms

from agents.lifecycle import REASON_MAX
from common import clock
from dashboard.shell.typed import WholeField
from enrolment import rules
from enrolment.services import NewJoinKey

if TYPE_CHECKING:
    from projects.models import Project

LIVES = (
    ("3600", "For 1 hour"),
    ("86400", "For 24 hours"),
    ("604800", "For 7 days"),
    ("2592000", "For 30 days"),
    ("0", "Until it is revoked"),
)
_HOW_MANY = f"A join key lets in 1 to {rules.USES_MAX:,} machines, or any number."


class JoinKeyForm(forms.Form):
    """A new join key: how many machines it lets in, of which names, and until when."""

    name = forms.CharField(
        max_length=rules.NAME_MAX,
        error_messages={"required": "Give the join key a name."},
        help_text="For whom or what it is, so that you know which to revoke.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "rack-3"}),
    )
    uses_max = WholeField(
        label="How many machines",
        required=False,
        initial=1,
        min_value=1,
        max_value=rules.USES_MAX,
        error_messages=dict.fromkeys(("min_value", "max_value"), _HOW_MANY),
        help_text="It is used up when so many have joined. Empty: any number.",
    )
    lasts_s = forms.TypedChoiceField(
        choices=LIVES, coerce=int, initial="86400", label="It lets machines in"
    )
    name_pattern = forms.CharField(
        required=False,
        max_length=rules.PATTERN_MAX,
        label="Names of machines",
        help_text="“*” and “?” stand for what may be there. Empty: any name.",
        widget=forms.TextInput(
            attrs={"class": "x-mono", "autocomplete": "off", "placeholder": "rack-3-*"}
        ),
    )
    needs_approval = forms.BooleanField(
        required=False,
        label="Wait for approval",
        help_text="A machine gets no work until an admin compared its fingerprint and approved it.",
    )

    def new_key(self, project: Project) -> NewJoinKey:
        """Return the join key that was described."""
        said = self.cleaned_data
        lasts_s = said["lasts_s"]
        return NewJoinKey(
            name=said["name"],
            project=project,
            name_pattern=said["name_pattern"],
            needs_approval=said["needs_approval"],
            uses_max=said["uses_max"],
            expires_at=clock.now() + timedelta(seconds=lasts_s) if lasts_s else None,
        )


class SuspendForm(forms.Form):
    """Why a machine is to get no new work."""

    reason = forms.CharField(
        required=False,
        max_length=REASON_MAX,
        help_text="Everybody who looks at the machine reads it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "new cards go in"}),
    )
