"""Markdown to HTML, for our guides and the cards of models. Raw HTML in it is shown as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby, pairwise

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments.util import ClassNotFound

from dashboard.examples.snippets import Snippet, coloured

LANGUAGES = {
    "bash": ("curl", "Shell"),
    "python": ("python", "Python"),
    "javascript": ("node", "Node"),
}
"""Which languages are remembered under which name, and what their tab is called."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading one can link to."""

    anchor: str
    text: str
    level: int


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered text, its title, what stands in it, and the words of each section."""

    title: str
    html: SafeString
    headings: tuple[Heading, ...]
    sections: tuple[tuple[str, str, str], ...]


_parser = MarkdownIt("commonmark", {"html": False, "linkify": False})
_parser.enable("table")


def render(text: str) -> Document:
    """Render a text. Its headings get anchors; links to ``other.md`` become ``other/``.

    Code gets a button to copy it, and examples that follow each other directly become tabs.
    """
    tokens = _parser.parse(text)
    headings = tuple(_anchored(tokens))
    sections = tuple(_sections(tokens, headings))
    for token in tokens:
        _align_by_class(token)
        for child in token.children or ():
            _point_to_page(child)
    shown = list(_with_boxes(tokens))
    html = _parser.renderer.render(shown, _parser.options, {})
    title = next((heading.text for heading in headings if heading.level == 1), "")
    return Document(title, mark_safe(html), headings, sections)  # noqa: S308  # html=False


def _with_boxes(tokens: Sequence[Token]) -> Iterator[Token]:
    numbers = count(1)
    for kind, group in groupby(tokens, key=lambda token: token.type):
        if kind == "fence":
            yield _raw(_code_box(list(group), numbers))
        elif kind == "table_open":
            # The table scrolls, not the page: whoever has no mouse must be able to reach it.
            yield _raw('<div class="x-prose-table" tabindex="0" role="group" aria-label="Table">')
            yield from group
        elif kind == "table_close":
            yield from group
            yield _raw("</div>")
        else:
            yield from group


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)


def _code_box(fences: list[Token], numbers: Iterator[int]) -> str:
    number = next(numbers)
    snippets = [_snippet(fence, f"code-{number}-{at}") for at, fence in enumerate(fences)]
    known = {snippet.language for snippet in snippets if snippet.label}
    if len(snippets) > 1 and len(known) == len(snippets):
        told = {"id": f"code-{number}", "snippets": snippets}
        return render_to_string("components/code_tabs.html", told)
    return "".join(
        render_to_string("components/code_box.html", {"snippet": snippet}) for snippet in snippets
    )


def _snippet(fence: Token, element_id: str) -> Snippet:
    word = fence.info.split(maxsplit=1)[0] if fence.info.strip() else ""
    language, label = LANGUAGES.get(word, (word, ""))
    return Snippet(language, label, fence.content, _code(fence.content, word), element_id)


def _code(text: str, language: str) -> SafeString:
    try:
        return coloured(text, language) if language else escape(text)
    except ClassNotFound:
        return escape(text)


def _anchored(tokens: Sequence[Token]) -> list[Heading]:
    found = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            anchor = re.sub(r"[^a-z0-9]+", "-", inline.content.lower()).strip("-")
            opening.attrSet("id", anchor)
            found.append(Heading(anchor, inline.content.replace("`", ""), int(opening.tag[1:])))
    return found


def _sections(
    tokens: Sequence[Token], headings: Sequence[Heading]
) -> Iterator[tuple[str, str, str]]:
    begins = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    for heading, begin, end in zip(headings, begins, [*begins, len(tokens)][1:], strict=True):
        # The heading itself is three tokens: it opens, says its words, and closes.
        inside = (token for token in tokens[begin + 3 : end] if token.type in {"inline", "fence"})
        words = (re.sub(r"[`*|\s]+", " ", token.content).strip() for token in inside)
        yield heading.text, heading.anchor, " ".join(words)


def _align_by_class(token: Token) -> None:
    # Markdown's aligned columns come with a style attribute, which our policy forbids.
    if token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "x-r")


def _point_to_page(token: Token) -> None:
    target = str(token.attrGet("href") or "")
    if re.fullmatch(r"[a-z0-9-]+\.md(#.*)?", target):
        token.attrSet("href", "/docs/" + target.replace(".md", "/", 1))
