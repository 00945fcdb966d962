"""Guides and model cards: Markdown becomes HTML, and nothing else does."""

from __future__ import annotations

import pytest

from dashboard.docs.markdown import render


@pytest.mark.parametrize(
    ("text", "never"),
    [
        pytest.param("<script>alert(1)</script>", "<script", id="raw HTML"),
        pytest.param("[x](javascript:alert(1))", 'href="javascript', id="a script as a link"),
        pytest.param('<img src=x onerror="alert(1)">', "<img", id="a tag with a handler"),
        pytest.param("```html\n<script>alert(1)</script>\n```", "<script", id="code"),
        pytest.param("```no-such-language\n<b>\n```", "<b>", id="code in no known language"),
        pytest.param("| a |\n|--:|\n| b |", "style=", id="an aligned column"),
    ],
)
def test_text_cannot_bring_its_own_markup(text: str, never: str) -> None:
    assert never not in render(text).html


def test_headings_can_be_linked_to() -> None:
    document = render("# A guide\n\n## The first `step`\n")

    assert document.title == "A guide"
    assert [(one.anchor, one.text, one.level) for one in document.headings] == [
        ("a-guide", "A guide", 1),
        ("the-first-step", "The first step", 2),
    ]
    assert 'id="the-first-step"' in document.html


def test_links_between_guides_lead_to_their_pages() -> None:
    html = render("[a](errors.md#codes) [b](https://example.com/x.md)").html

    assert 'href="/docs/errors/#codes"' in html
    assert 'href="https://example.com/x.md"' in html
