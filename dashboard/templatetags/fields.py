"""Filters that dress a form's fields in our classes, and tie them to their faults and hints."""

from __future__ import annotations

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def kind(field: BoundField) -> str:
    """Say how a field is laid out: checkbox, choices, select, textarea or text."""
    widget = field.field.widget
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "choices"
    if isinstance(widget, forms.CheckboxInput):
        return "checkbox"
    if isinstance(widget, forms.Select):
        return "select"
    return "textarea" if isinstance(widget, forms.Textarea) else "text"


LABELS = {
    "Email": "E-mail address",
    "Change to": "New address",
    "E-mail": "E-mail address",
    "Remember Me": "Remember me",
    "Current Password": "Current password",
    "New Password": "New password",
    "New Password (again)": "New password, again",
}
CLASSES = {"checkbox": "checkbox", "select": "select", "textarea": "textarea", "text": "input"}


@register.filter
def label(field: BoundField) -> str:
    """Return the field's label, the few of allauth's in our words."""
    return LABELS.get(str(field.label), str(field.label))


@register.filter
def fault_id(field: BoundField) -> str:
    """Name the element that says what is wrong with the field."""
    return f"{field.auto_id}_fault"


def _first_fault(form: forms.BaseForm) -> str:
    return next((name for name in form.fields if name in form.errors), "")


@register.filter
def focused(field: BoundField) -> SafeString:
    """Render the control in which one begins."""
    return _rendered(field, {"autofocus": True})


@register.filter
def control(field: BoundField) -> SafeString:
    """Render the field's own control; faults and hints are told to screen readers."""
    return _rendered(field, {})


def _rendered(field: BoundField, said: dict[str, str | bool]) -> SafeString:
    own = field.field.widget.attrs.get("class", "")
    attrs: dict[str, str | bool] = {
        "class": f"{CLASSES.get(kind(field), '')} {own}".strip(),
        **said,
    }
    told = []
    if field.errors:
        attrs["aria-invalid"] = "true"
        # Whoever is sent back stands in the first field that is wrong, wherever on the page it is.
        attrs["autofocus"] = _first_fault(field.form) == field.name
        told.append(fault_id(field))
    if field.help_text:
        told.append(f"{field.auto_id}_hint")
    if field.field.widget.attrs.get("placeholder") in {field.label, "Email address"}:
        # A label already says it; said twice it is noise.
        attrs["placeholder"] = ""
    if told:
        attrs["aria-describedby"] = " ".join(told)
    return field.as_widget(attrs=attrs)
