"""The icons of the pages: strokes on a grid of 24, drawn for this product."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

PATHS: dict[str, str] = {
    "overview": "M3 12h4l3-8 4 16 3-8h4",
    "endpoints": "M4 7h16M4 12h16M4 17h10",
    "usage": "M5 20V10M12 20V4M19 20v-7",
    "keys": "M15 7a4 4 0 1 0-3.5 6L5 19.5V22h3l1-2h2l1-2.5 1.5-1.5A4 4 0 0 0 15 7z",
    "machines": "M4 4h16v7H4zM4 13h16v7H4zM8 7.5h.01M8 16.5h.01M12 7.5h4M12 16.5h4",
    "models": "M12 3l9 5-9 5-9-5zM3 13l9 5 9-5",
    "settings": "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
    "docs": "M6 3h9l4 4v14H6zM9 12h7M9 16h7",
    "admin": "M12 3l8 3v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6z",
    "person": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c.8-4 4-6 8-6s7.2 2 8 6",
    "mail": "M3 6h18v12H3zM3 7l9 7 9-7",
    "lock": "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
    "shield": "M12 3l8 3v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6zM9 12l2 2 4-4",
    "devices": "M3 5h13v9H3zM7 18h5M18 9h3v10h-5v-3",
    "link": "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1"
    "M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
    "leave": "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "copy": "M9 9h11v11H9zM5 15H4V4h11v1",
    "close": "M6 6l12 12M18 6L6 18",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "down": "M6 9.5l6 6 6-6",
    "updown": "M8 9.5l4-4 4 4M8 14.5l4 4 4-4",
    "right": "M5 12h14M13 6l6 6-6 6",
    "plus": "M12 5v14M5 12h14",
    "search": "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
    "sun": "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5"
    "M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
    "moon": "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
    "system": "M3 5h18v11H3zM8 20h8M12 16v4",
    "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 8h.01",
    "success": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 12.5l3 3 5-6",
    "warning": "M12 4l9 16H3zM12 10v4M12 17h.01",
    "error": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v6M12 16h.01",
    "pause": "M9 6v12M15 6v12",
    "play": "M7 5l12 7-12 7z",
    "more": "M6 12h.01M12 12h.01M18 12h.01",
    "clock": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2",
    "github": "M9 19c-4 1.3-4-2-6-2.5M15 22v-3.5c0-1 .1-1.4-.5-2 2.8-.3 5.5-1.4 5.5-6a4.6 4.6"
    " 0 0 0-1.3-3.2 4.2 4.2 0 0 0-.1-3.2s-1.1-.3-3.5 1.3a12 12 0 0 0-6.2 0C6.5 2.8 5.4"
    " 3.1 5.4 3.1a4.2 4.2 0 0 0-.1 3.2A4.6 4.6 0 0 0 4 9.5c0 4.6 2.7 5.7 5.5"
    " 6-.6.6-.6 1.2-.5 2V22",
}


def draw(name: str) -> SafeString:
    """Return an icon as inline SVG, silent to screen readers: a word always stands beside it.

    Raises ``KeyError`` for a name that was never drawn, so that a typo fails a test.
    """
    return format_html(
        '<svg class="x-icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>',
        mark_safe(PATHS[name]),  # noqa: S308  # our own constant
    )
