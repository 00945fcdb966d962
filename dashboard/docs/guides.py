"""The guides in ``docs/``: what each is called, where it stands in the menu, what is in it.

A guide is a file ``docs/<name>.md``. Its first line says where it stands::

    <!-- menu: use 30 Keys -->

That is the group (``use``, ``operate`` or ``build``), its place in the group, and, if the
title is too long for a menu, what it is called there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from dashboard.docs.markdown import Document, render

FOLDER = Path(settings.ROOT) / "docs"
GROUPS = {"use": "Use it", "operate": "Operate it", "build": "Build it"}
FIRST = "quickstart"
REFERENCE = ("use", 900, "API reference", "/docs/api/", "api")
"""The one page of the docs that is no file."""
_LAST = 999
_MARK = re.compile(r"\A<!-- menu: (use|operate|build) (\d+)(?: (.+?))? -->\n+")

EXAMPLE_HOST = "https://HOST"
EXAMPLE_PROJECT = "proj_Ab3dE5fG7hJ9"
EXAMPLE_URL = f"{EXAMPLE_HOST}/{EXAMPLE_PROJECT}/my-endpoint/v1"
EXAMPLE_KEY = "xero_my-project_…"


@dataclass(frozen=True, slots=True)
class Values:
    """What stands in the examples: the reader's own address, project, endpoint and key hint."""

    host: str
    project: str = ""
    endpoint: str = ""
    key_hint: str = ""

    def put_into(self, text: str) -> str:
        """Return a guide's text with these in the place of the examples' values."""
        if self.endpoint:
            text = text.replace(EXAMPLE_URL, f"{self.host}/{self.project}/{self.endpoint}/v1")
        if self.project:
            text = text.replace(EXAMPLE_PROJECT, self.project)
        if self.key_hint:
            text = text.replace(EXAMPLE_KEY, self.key_hint)
        return text.replace(EXAMPLE_HOST, self.host)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu."""

    group: str
    place: int
    label: str
    url: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that a search found, and the words around what was looked for."""

    guide: str
    section: str
    url: str
    before: str
    match: str
    after: str


def names() -> tuple[str, ...]:
    """Return the names of all guides."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.md")))


def menu() -> dict[str, tuple[Entry, ...]]:
    """Return the entries of the menu by the title of their group, in order."""
    entries = sorted(
        (*(_entry(name) for name in names()), Entry(*REFERENCE)),
        key=lambda entry: (entry.place, entry.label),
    )
    return {
        title: tuple(entry for entry in entries if entry.group == group)
        for group, title in GROUPS.items()
    }


def document(name: str, values: Values) -> Document:
    """Return one guide with a reader's own values in its examples."""
    return _rendered(_path(name), _written_at(name), values)


def has_examples(name: str) -> bool:
    """Say whether a guide holds values that are replaced by the reader's own."""
    body = _body(_path(name))
    return EXAMPLE_URL in body or EXAMPLE_KEY in body


def search(query: str, values: Values, limit: int = 20) -> tuple[Hit, ...]:
    """Return the sections that hold every word of a query, those first that are called so."""
    words = query.lower().split()
    if not words:
        return ()
    found = [
        (_rank(words, title, text), guide, title, anchor, text)
        for guide in names()
        for title, anchor, text in _sections(_path(guide), _written_at(guide))
        if all(word in f"{title} {text}".lower() for word in words)
    ]
    found.sort(key=lambda each: (-each[0], each[1]))
    return tuple(
        _hit(guide, title, anchor, values.put_into(text), words[0])
        for _, guide, title, anchor, text in found[:limit]
    )


def _rank(words: list[str], title: str, text: str) -> int:
    called = sum(word in title.lower() for word in words)
    return 100 * called + min(sum(text.lower().count(word) for word in words), 99)


def _hit(guide: str, title: str, anchor: str, text: str, word: str) -> Hit:
    at = text.lower().find(word)
    begin = max(0, at - 60)
    end = at + len(word) if at >= 0 else 0
    return Hit(
        guide=_entry(guide).label,
        section=title,
        url=f"/docs/{guide}/#{anchor}",
        before=("… " if begin else "") + text[begin : max(at, 0)],
        match=text[max(at, 0) : end],
        after=text[end : end + 120] + (" …" if len(text) > end + 120 else ""),
    )


def _entry(name: str) -> Entry:
    return _read_entry(_path(name), _written_at(name))


@lru_cache(maxsize=128)
def _read_entry(path: Path, _at: int) -> Entry:
    text = path.read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    mark = _MARK.match(text)
    group, place, label = mark.groups() if mark else ("build", str(_LAST), None)
    called = label or (title[1] if title else path.stem)
    return Entry(group, int(place), called, f"/docs/{path.stem}/", path.stem)


@lru_cache(maxsize=512)
def _rendered(path: Path, _at: int, values: Values) -> Document:
    return render(values.put_into(_body(path)))


@lru_cache(maxsize=128)
def _sections(path: Path, _at: int) -> tuple[tuple[str, str, str], ...]:
    """Return title, anchor and plain words of each section of a guide."""
    return render(_body(path)).sections


def _body(path: Path) -> str:
    return _MARK.sub("", path.read_text(encoding="utf-8"))


def _path(name: str) -> Path:
    return FOLDER / f"{name}.md"


def _written_at(name: str) -> int:
    return _path(name).stat().st_mtime_ns
