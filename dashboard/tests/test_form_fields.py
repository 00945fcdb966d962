"""Fields are drawn in one look, and tied to their faults and hints for screen readers."""

from __future__ import annotations

import re

import pytest
from django import forms
from django.forms.boundfield import BoundField

from dashboard.shell import icons
from dashboard.templatetags import fields


class Sample(forms.Form):
    """One field of each kind."""

    name = forms.CharField(help_text="For people.")
    plain = forms.CharField(required=False, widget=forms.TextInput(attrs={"class": "x-mono"}))
    email = forms.EmailField(
        label="Email",
        required=False,
        widget=forms.EmailInput(attrs={"placeholder": "Email address"}),
    )
    hint = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"placeholder": "ci-runner"})
    )
    size = forms.IntegerField()
    agreed = forms.BooleanField(required=False)
    one = forms.ChoiceField(required=False, choices=[("a", "A")])
    radio = forms.ChoiceField(required=False, choices=[("a", "A")], widget=forms.RadioSelect)
    many = forms.MultipleChoiceField(
        required=False, choices=[("a", "A")], widget=forms.CheckboxSelectMultiple
    )
    text = forms.CharField(required=False, widget=forms.Textarea)


def attrs(html: str) -> dict[str, str]:
    tag = html[: html.index(">")]
    return dict(re.findall(r'([a-z-]+)="([^"]*)"', tag)) | (
        {"autofocus": ""} if " autofocus" in tag else {}
    )


@pytest.mark.parametrize(
    ("name", "kind", "look"),
    [
        ("name", "text", "input"),
        ("plain", "text", "input x-mono"),
        ("email", "text", "input"),
        ("size", "text", "input"),
        ("agreed", "checkbox", "checkbox"),
        ("one", "select", "select"),
        ("text", "textarea", "textarea"),
    ],
)
def test_field_is_drawn_as_its_kind(name: str, kind: str, look: str) -> None:
    field = Sample()[name]

    assert fields.kind(field) == kind
    assert attrs(fields.control(field))["class"] == look


@pytest.mark.parametrize("name", ["radio", "many"])
def test_choices_are_one_kind_however_many_may_be_chosen(name: str) -> None:
    assert fields.kind(Sample()[name]) == "choices"


def bound(name: str) -> BoundField:
    form = Sample({"size": "big"})
    assert not form.is_valid()
    return form[name]


def test_hint_is_told_and_a_fault_before_it() -> None:
    assert attrs(fields.control(Sample()["name"]))["aria-describedby"] == "id_name_hint"
    assert attrs(fields.control(bound("name")))["aria-describedby"] == "id_name_fault id_name_hint"
    assert attrs(fields.control(bound("size")))["aria-describedby"] == "id_size_fault"
    assert "aria-describedby" not in attrs(fields.control(Sample()["plain"]))
    assert fields.fault_id(bound("size")) == "id_size_fault"


def test_whoever_is_sent_back_stands_in_the_first_field_that_is_wrong() -> None:
    assert "autofocus" in attrs(fields.control(bound("name")))
    assert "autofocus" not in attrs(fields.control(bound("size")))
    assert "autofocus" not in attrs(fields.control(Sample()["name"]))
    assert attrs(fields.control(bound("size")))["aria-invalid"] == "true"
    assert "aria-invalid" not in attrs(fields.control(bound("plain")))


def test_one_begins_where_a_form_says() -> None:
    assert "autofocus" in attrs(fields.focused(Sample()["plain"]))


def test_placeholder_that_says_the_label_again_is_left_out() -> None:
    assert attrs(fields.control(Sample()["email"]))["placeholder"] == ""
    assert attrs(fields.control(Sample()["hint"]))["placeholder"] == "ci-runner"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Email", "E-mail address"),
        ("Change to", "New address"),
        ("Remember Me", "Remember me"),
        ("Current Password", "Current password"),
        ("New Password (again)", "New password, again"),
        ("Expires", "Expires"),
    ],
)
def test_label_is_in_our_words(said: str, shown: str) -> None:
    class Labelled(forms.Form):
        field = forms.CharField(label=said)

    assert fields.label(Labelled()["field"]) == shown


@pytest.mark.parametrize("name", icons.PATHS)
def test_icon_says_nothing_to_screen_readers_and_stays_on_its_grid(name: str) -> None:
    drawn = icons.draw(name)

    assert 'aria-hidden="true"' in drawn
    assert 'viewBox="0 0 24 24"' in drawn
    assert re.fullmatch(r"[MmLlHhVvCcSsAaZz0-9 .,-]+", icons.PATHS[name])


def test_icon_nobody_drew_is_no_icon() -> None:
    with pytest.raises(KeyError):
        icons.draw("unicorn")
