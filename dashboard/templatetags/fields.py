"""Filters that dress a form's fields in our classes, and tie them to their faults and hints."""

from __future__ import annotations

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def kind(field: BoundField) -> str:
    """Say how a field is laid out: ``checkbox``, ``choices``, ``select``, ``textarea``, ``text``."""
    widget = field.field.widget
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "choices"
    if isinstance(widget, forms.CheckboxInput):
        return "checkbox"
    if isinstance(widget, forms.Select):
        return "select"
    return "textarea" if isinstance(widget, forms.Textarea) else "text"


CLASSES = {"checkbox": "checkbox", "select": "select", "textarea": "textarea", "text": "input"}


@register.filter
def fault_id(field: BoundField) -> str:
    """Name the element that says what is wrong with the field."""
    return f"{field.auto_id}_fault"


@register.filter
def control(field: BoundField) -> SafeString:
    """Render the field's own control; faults and hints are told to screen readers."""
    attrs = {"class": f"{CLASSES[kind(field)]} {field.field.widget.attrs.get('class', '')}".strip()}
    told = []
    if field.errors:
        attrs["aria-invalid"] = "true"
        told.append(fault_id(field))
    if field.help_text:
        told.append(f"{field.auto_id}_hint")
    if told:
        attrs["aria-describedby"] = " ".join(told)
    return field.as_widget(attrs=attrs)
