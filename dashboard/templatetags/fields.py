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


@register.filter
def control(field: BoundField) -> SafeString:
    """Render the field's own control; faults and hints are told to screen readers."""
    own = field.field.widget.attrs.get("class", "")
    attrs: dict[str, str | bool] = {"class": f"{CLASSES.get(kind(field), '')} {own}".strip()}
    told = []
    if field.errors:
        attrs["aria-invalid"] = "true"
        told.append(fault_id(field))
    if field.help_text:
        told.append(f"{field.auto_id}_hint")
    if field.field.widget.attrs.get("placeholder") in {field.label, "Email address"}:
        # A label already says it; said twice it is noise.
        attrs["placeholder"] = ""
    if told:
        attrs["aria-describedby"] = " ".join(told)
    return field.as_widget(attrs=attrs)
