"""Examples a reader can paste: their own URL, and a placeholder where their key goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from dashboard.examples import texts

if TYPE_CHECKING:
    from projects.models import Project

PLACEHOLDER = "xero_…"

_LABELS = {
    "env": ".env",
    "curl": "curl",
    "python": "Python",
    "node": "Node",
    "langchain": "LangChain",
    "litellm": "LiteLLM",
    "vercel": "Vercel AI SDK",
    "webui": "Open WebUI",
}
_LEXERS = {
    "env": "bash",
    "curl": "bash",
    "node": "javascript",
    "vercel": "javascript",
    "webui": "bash",
}
"""Python where nothing else is said."""


@dataclass(frozen=True, slots=True)
class FirstRun:
    """The first request, as the page that shows a key can make it from the browser."""

    path: str
    body: dict[str, object]


@dataclass(frozen=True, slots=True)
class Snippet:
    """One example in one language."""

    language: str
    label: str
    text: str
    html: SafeString
    element_id: str


def snippets_for(
    *,
    task: str,
    base_url: str,
    model: str,
    key: str = PLACEHOLDER,
    with_env: bool = False,
) -> tuple[Snippet, ...]:
    """Return the first request of a task in each language and client we show.

    ``with_env`` puts what every OpenAI client reads from its environment in front.
    """
    wanted = {"env": texts.ENV, **texts.BY_TASK[task]} if with_env else texts.BY_TASK[task]
    return tuple(
        _snippet(language, text.format(base_url=base_url, model=model, key=key))
        for language, text in wanted.items()
    )


def base_url_of(project: Project, slug: str) -> str:
    """Return what goes into an SDK's ``base_url``."""
    return f"{settings.PUBLIC_URL}/{project.public_id}/{slug}/v1"


def first_run(*, task: str, path: str, model: str) -> FirstRun:
    """Return the first request of a task, by a path of this very site."""
    operation, body = texts.FIRST[task]
    return FirstRun(f"{path}/{operation}", {"model": model, **body})


def coloured(text: str, lexer: str) -> SafeString:
    """Return code as HTML, its words in Pygments' short classes."""
    html = highlight(text, get_lexer_by_name(lexer), HtmlFormatter(nowrap=True))
    return mark_safe(html.rstrip("\n"))  # noqa: S308  # escaped by Pygments


def _snippet(language: str, text: str) -> Snippet:
    return Snippet(
        language,
        _LABELS[language],
        text,
        coloured(text, _LEXERS.get(language, "python")),
        f"example-{language}",
    )
