"""A tier in the console: its words, and new terms that start from those in force."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from unfold import widgets

from catalog import selectors as catalog
from catalog import terms
from catalog.models import ServiceTier
from common import clock
from common.problems import Problem
from endpoints import selectors

TERM_FIELDS = [*terms.BY_NAME, "begins", "seen"]


class TierForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """The words of a tier and its numbers, as people write them.

    The numbers are those in force; what is changed becomes new terms, once the operator has
    seen what changes for whom.
    """

    begins = forms.DateTimeField(
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget,
        help_text="When new numbers begin, UTC, such as 2026-12-01 00:00. Empty: at once.",
    )
    seen = forms.BooleanField(
        required=False,
        label="I have seen what changes",
        help_text="Save once without it: then this page says what changes, from when, for whom.",
    )

    class Meta:
        model = ServiceTier
        fields = [
            "name",
            "slug",
            "summary",
            "rank",
            "is_offered",
            "is_preemptible",
            "is_self_hosted",
            "accelerator",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = self._in_force()
        for number in terms.NUMBERS:
            if self.before is None or number.name not in self.fields:
                continue
            self.fields[number.name].initial = number.write(self.before[number.name])

    def changes(self) -> dict[str, int | None]:
        """Return the numbers that are to change."""
        if self.before is None:
            return {}
        said = {name: self.cleaned_data[name] for name in terms.BY_NAME}
        return {name: value for name, value in said.items() if value != self.before[name]}

    def clean(self) -> dict[str, Any]:
        """Read the numbers; where some change, say what for whom until that was seen."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if self.before is None:
            return said
        for number in terms.NUMBERS:
            try:
                said[number.name] = number.read(said.get(number.name, ""))
            except Problem as problem:
                self.add_error(number.name, problem.message)
        if not self.errors and self.changes() and not said.get("seen"):
            self.add_error("seen", self._preview(said.get("begins")))
        return said

    def _in_force(self) -> dict[str, int | None] | None:
        if self.instance.pk is None:
            return None
        return terms.of(catalog.terms_at(self.instance, clock.now()))

    def _preview(self, begins: datetime | None) -> list[str]:
        assert self.before is not None  # noqa: S101 - asked only of a tier that is there
        told = terms.changes(self.before, self.before | self.changes())
        count, projects = selectors.reach_of(self.instance)
        when = "now on" if begins is None else f"{begins:%d %b %Y %H:%M} UTC"
        lines = [f"{one.label}: {one.before} → {one.after}" for one in told]
        return [*lines, f"From {when}, for {count} endpoints of {projects} projects. Tick to save."]


def _number_field(number: terms.Number) -> forms.CharField:
    said = [number.unit, "or “unlimited”" if number.may_be_unlimited else ""]
    return forms.CharField(
        label=f"{number.label}, {settings.CURRENCY}" if number.is_price else number.label,
        widget=widgets.UnfoldAdminTextInputWidget,
        help_text=" · ".join(filter(None, said)),
    )


# As if they stood in the class: the console makes forms of its own from what is declared there.
TierForm.declared_fields |= {number.name: _number_field(number) for number in terms.NUMBERS}
TierForm.base_fields |= TierForm.declared_fields
