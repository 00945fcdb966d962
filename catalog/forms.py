"""A model as an operator writes it in the console: sizes in GB, lists with commas."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold import widgets

from catalog import facts
from catalog.models import CatalogModel
from common.problems import Problem

EXAMPLES = {
    "formats": "gguf, safetensors",
    "tags": "chat, code, demo",
    "capabilities": "chat, completions, streaming, tools",
}
NAMED = "size_bytes"


class CatalogForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """What may be said of a model, each in the form in which people write it."""

    size = forms.CharField(
        label="Size in GB",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget,
        help_text="Of its weights, such as 4.7. Tiers have a largest size. Empty: not known.",
    )
    formats = forms.CharField(required=False, widget=widgets.UnfoldAdminTextInputWidget)
    tags = forms.CharField(required=False, widget=widgets.UnfoldAdminTextInputWidget)
    capabilities = forms.CharField(required=False, widget=widgets.UnfoldAdminTextInputWidget)

    class Meta:
        model = CatalogModel
        fields = [
            "name",
            "title",
            "summary",
            "card",
            "task",
            "family",
            "licence",
            "parameters",
            "context_length",
            "dimensions",
            "defaults",
            "is_listed",
        ]
        help_texts = {
            "context_length": "Tokens of prompt and answer together, such as 32768",
            "defaults": "Request fields that are set where a caller sends none, as JSON, such as "
            '{"temperature": 0.7}. None: {}',
            "is_listed": "Can be chosen for new endpoints. Those that have it keep it",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        size = self.instance.size_bytes
        self.fields["size"].initial = facts.write_size(size) if size else ""
        for name, example in EXAMPLES.items():
            self.fields[name].help_text = f"Words with commas between them, such as {example}"
            if not isinstance(self.initial.get(name), str):  # Else a link has said it.
                self.initial[name] = ", ".join(getattr(self.instance, name))

    def clean(self) -> dict[str, Any]:
        """Read what is written otherwise than it is kept, and refuse what can't be said."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        for name in facts.WORDS:
            said[name] = facts.read_words(said.get(name, ""))
        try:
            said["size_bytes"] = facts.read_size(said.get("size") or "0")
        except Problem as problem:
            self.add_error("size", problem.message)
        for name in facts.FACTS:
            self._check(name, said)
        return said

    def facts(self) -> dict[str, Any]:
        """Return what is said, by the names of facts."""
        return {name: self.cleaned_data[name] for name in facts.FACTS}

    def _check(self, name: str, said: dict[str, Any]) -> None:
        if name not in said:
            return
        try:
            facts.check({name: said[name]})
        except Problem as problem:
            self.add_error("size" if name == NAMED else name, problem.message)
