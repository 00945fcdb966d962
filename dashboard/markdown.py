"""Markdown to HTML, for our guides and the cards of models. Raw HTML in it is shown as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments.util import ClassNotFound

from dashboard.snippets import coloured


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading one can link to."""

    anchor: str
    text: str
    level: int


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered text, its title and what stands in it."""

    title: str
    html: SafeString
    headings: tuple[Heading, ...]


def _code(text: str, language: str, _attrs: object) -> str:
    try:
        return coloured(text, language) if language else escape(text)
    except ClassNotFound:
        return escape(text)


_parser = MarkdownIt("commonmark", {"html": False, "highlight": _code, "linkify": False})
_parser.enable("table")


def render(text: str) -> Document:
    """Render a text. Its headings get anchors; links to ``other.md`` become ``other/``."""
    tokens = _parser.parse(text)
    headings = tuple(_anchored(tokens))
    for token in tokens:
        _align_by_class(token)
        for child in token.children or ():
            _point_to_page(child)
    html = _parser.renderer.render(tokens, _parser.options, {})
    title = next((heading.text for heading in headings if heading.level == 1), "")
    return Document(title, mark_safe(html), headings)  # noqa: S308  # html=False: nothing raw


def _anchored(tokens: Sequence[Token]) -> list[Heading]:
    found = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            anchor = re.sub(r"[^a-z0-9]+", "-", inline.content.lower()).strip("-")
            opening.attrSet("id", anchor)
            found.append(Heading(anchor, inline.content.replace("`", ""), int(opening.tag[1:])))
    return found


def _align_by_class(token: Token) -> None:
    # Markdown's aligned columns come with a style attribute, which our policy forbids.
    if token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "x-r")


def _point_to_page(token: Token) -> None:
    target = str(token.attrGet("href") or "")
    if re.fullmatch(r"[a-z0-9-]+\.md(#.*)?", target):
        token.attrSet("href", "/docs/" + target.replace(".md", "/", 1))
