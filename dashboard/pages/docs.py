"""The guides in ``docs/``, at ``/docs/``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from dashboard.contexts import NavItem
from dashboard.door import show
from dashboard.markdown import Document, Heading, render

FOLDER = Path(settings.ROOT) / "docs"
FIRST = "quickstart"
SECTION = 2


@dataclass(frozen=True, slots=True)
class Guide:
    """One guide, the list of all, and what stands in this one."""

    document: Document
    guides: tuple[NavItem, ...]
    sections: tuple[Heading, ...]


@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    """Lead to the first guide."""
    return redirect("guide", FIRST)


@require_GET
def guide(request: HttpRequest, name: str) -> HttpResponse:
    """Show one guide. Only names of files that lie in the folder are ever opened."""
    names = _names()
    if name not in names:
        raise Http404
    document = _document(name)
    written = (
        NavItem(_document(other).title or other, "docs", f"/docs/{other}/", other == name)
        for other in names
    )
    guides = (*written, NavItem("API reference", "docs", "/docs/api/", is_current=False))
    sections = tuple(heading for heading in document.headings if heading.level == SECTION)
    return show(request, "dashboard/guide.html", Guide(document, guides, sections))


def _names() -> tuple[str, ...]:
    found = sorted(path.stem for path in FOLDER.glob("*.md"))
    return tuple(sorted(found, key=lambda name: name != FIRST))


def _document(name: str) -> Document:
    path = FOLDER / f"{name}.md"
    return _rendered(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _rendered(path: Path, _written_at: int) -> Document:
    return render(path.read_text(encoding="utf-8"))
