"""A list's state lives in its address, and a refusal stands beside the field it speaks of."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django import forms
from django.test import RequestFactory

from common.models import OutboxEntry
from common.problems import Problem
from dashboard.shell.forms import attach
from dashboard.shell.lists import QUERY_MAX, Finder, asked, part_of
from dashboard.shell.processors import mail, theme

STATES = {"active": "Active", "revoked": "Revoked", "all": "All"}


def look(query: str = "", states: dict[str, str] | None = None) -> Finder:
    return asked(RequestFactory().get(f"/keys/?{query}"), "/keys/", "Search", states)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", ""),
        ("q=ci", "ci"),
        ("q=+ci+runner+", "ci runner"),
        ("q=a%00b", "ab"),
        ("q=%00", ""),
        (f"q={'x' * 200}", "x" * QUERY_MAX),
    ],
)
def test_words_are_trimmed_and_bounded(query: str, words: str) -> None:
    assert look(query).query == words


@pytest.mark.parametrize(
    ("query", "state", "is_filtered"),
    [
        ("", "active", False),
        ("state=active", "active", False),
        ("state=revoked", "revoked", True),
        ("state=nonsense", "active", False),
        ("q=ci", "active", True),
        ("q=ci&state=all", "all", True),
    ],
)
def test_state_nobody_offers_is_the_first(query: str, state: str, *, is_filtered: bool) -> None:
    finder = look(query, STATES)

    assert (finder.state, finder.is_filtered) == (state, is_filtered)
    assert [chip.is_current for chip in finder.chips] == [state == name for name in STATES]


def test_chips_keep_the_words_and_the_first_needs_no_state() -> None:
    chips = look("q=a+b&state=all", STATES).chips

    assert [(chip.label, chip.url) for chip in chips] == [
        ("Active", "/keys/?q=a+b"),
        ("Revoked", "/keys/?q=a+b&state=revoked"),
        ("All", "/keys/?q=a+b&state=all"),
    ]
    assert look("", STATES).chips[0].url == "/keys/"


def test_list_without_states_has_no_chips() -> None:
    finder = look("state=revoked")

    assert (finder.chips, finder.state, finder.is_filtered) == ((), "", False)


def part(query: str, **said: Any) -> tuple[list[str], str]:
    request = RequestFactory().get(f"/keys/?{query}")
    finder = asked(request, "/keys/", "Search", STATES)
    rows, found = part_of(OutboxEntry.objects.all(), request, finder, **said)
    return [row.subject_id for row in rows], found.more_url


@pytest.fixture
def five(db: None) -> list[OutboxEntry]:
    OutboxEntry.objects.all().delete()
    return [OutboxEntry.objects.create(topic="t", subject_id=str(number)) for number in range(5)]


def test_parts_follow_each_other_newest_first_and_the_last_has_no_next(
    five: list[OutboxEntry],
) -> None:
    first, more = part("", limit=2)
    second, further = part(urlsplit(more).query, limit=2)
    last, end = part(urlsplit(further).query, limit=2)

    assert (first, second, last, end) == (["4", "3"], ["2", "1"], ["0"], "")


def test_parts_may_follow_oldest_first(five: list[OutboxEntry]) -> None:
    first, more = part("", limit=3, oldest_first=True)
    rest, end = part(urlsplit(more).query, limit=3, oldest_first=True)

    assert (first, rest, end) == (["0", "1", "2"], ["3", "4"], "")


def test_part_that_is_just_full_has_no_next(five: list[OutboxEntry]) -> None:
    assert part("", limit=5) == (["4", "3", "2", "1", "0"], "")


def test_next_part_keeps_words_and_state(five: list[OutboxEntry]) -> None:
    _, more = part("q=a+b&state=all", limit=1)
    _, plain = part("state=active", limit=1)

    assert parse_qs(urlsplit(more).query) == {
        "q": ["a b"],
        "state": ["all"],
        "after": [str(five[-1].pk)],
    }
    assert parse_qs(urlsplit(plain).query) == {"after": [str(five[-1].pk)]}


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 19, "9" * 400, "²"])
def test_place_nobody_was_sent_to_is_the_beginning(five: list[OutboxEntry], after: str) -> None:
    assert part(f"after={after}", limit=1)[0] == ["4"]


class Named(forms.Form):
    """Two fields."""

    name = forms.CharField()
    allow = forms.CharField()


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ("name", "name"),
        ("allow.3", "allow"),
        ("allow", "allow"),
        ("secret", "__all__"),
        ("", "__all__"),
        (None, "__all__"),
    ],
)
def test_refusal_stands_beside_its_field_or_above_the_form(param: str | None, field: str) -> None:
    form = Named({"name": "ci", "allow": "x"})
    assert form.is_valid()

    attach(form, Problem("Not this one.", param=param))

    assert form.errors == {field: ["Not this one."]}


@pytest.mark.parametrize(
    ("cookie", "shown"), [("light", "light"), ("dark", "dark"), ('"><script>', ""), ("", "")]
)
def test_theme_is_one_we_have_or_the_systems(cookie: str, shown: str) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["xero_theme"] = cookie

    assert theme(request) == {"theme": shown}


@pytest.mark.parametrize(
    ("backend", "is_printed"),
    [
        ("django.core.mail.backends.console.EmailBackend", True),
        ("django.core.mail.backends.smtp.EmailBackend", False),
        ("xerotier_site.smtp.EmailBackend", False),
    ],
)
def test_reader_is_told_when_mail_is_only_printed(
    settings: Any, backend: str, *, is_printed: bool
) -> None:
    settings.EMAIL_BACKEND = backend

    assert mail(RequestFactory().get("/")) == {"mail_is_printed": is_printed}
