"""A key's own limits (rate limits, quotas) as pages ask for and write them: a form for each."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms

from apikeys import limits
from apikeys.limits import Figures, Limit
from dashboard.shell.typed import WholeField
from dashboard.templatetags.figures import requests

if TYPE_CHECKING:
    from apikeys.models import ApiKey

WINDOWS = {60: "a minute", 3600: "an hour", 86_400: "a day", 604_800: "a week"}


class LimitForm(forms.Form):
    """One limit of a key that exists. Its fields are named as the limit's figures.

    The first of them says whether there is a limit at all: empty, it is lifted. A form of a new
    key has the same fields (``NewKeyForm``).
    """

    limit: ClassVar[Limit]
    title: ClassVar[str]
    hint: ClassVar[str]

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        kwargs["initial"] = {f.name: getattr(key, f.field) for f in self.limit.figures}
        super().__init__(*args, **kwargs)

    @classmethod
    def switch(cls) -> str:
        """Name the field that says whether there is a limit."""
        return cls.limit.figures[0].name

    @classmethod
    def columns(cls, said: dict[str, Any]) -> Figures:
        """Return the limit that was typed."""
        return cls.limit.columns(said if said[cls.switch()] else None)

    def words(self) -> str:
        """Write the limit that the key has."""
        has_one = self.initial[self.switch()] is not None
        return self.sentence(dict(self.initial)) if has_one else "none of its own"

    @staticmethod
    @abstractmethod
    def sentence(figures: dict[str, Any]) -> str:
        """Write a limit with these figures; each kind has words of its own."""


class QuotaForm(LimitForm):
    """How many requests a key may make in each window."""

    limit = limits.QUOTA
    title = "Quota"
    hint = (
        "At most so many requests in each window of time; more are refused (429) until the next "
        "begins."
    )

    requests = WholeField(
        required=False,
        min_value=1,
        max_value=limits.MAX_QUOTA,
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

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, key=key, **kwargs)
        window_s = self.initial["window_s"] = key.quota_window_s or min(WINDOWS)
        # By API any number of seconds can be set.
        windows = {window_s: f"{window_s:,} seconds", **WINDOWS}
        field = cast("forms.TypedChoiceField", self.fields["window_s"])
        field.choices = sorted(windows.items())

    @classmethod
    def columns(cls, said: dict[str, Any]) -> Figures:
        """Return the quota that was typed; a number alone is of the shortest window."""
        return super().columns({**said, "window_s": said["window_s"] or min(WINDOWS)})

    @staticmethod
    def sentence(figures: dict[str, Any]) -> str:
        """Write how many requests there may be, and in how long a time."""
        window_s = figures["window_s"]
        each = WINDOWS.get(window_s) or f"in {window_s:,} seconds"
        return f"{requests(figures['requests'])} {each}"


LIMIT_FORMS: tuple[type[LimitForm], ...] = (QuotaForm,)


def columns_said(said: dict[str, Any]) -> Figures:
    """Return every limit that was typed into the form of a new key."""
    each = [form.columns(said) for form in LIMIT_FORMS]
    return {field: number for columns in each for field, number in columns.items()}
