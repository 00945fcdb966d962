"""What the frame of every page needs, also of those that are not ours (allauth's)."""

from __future__ import annotations

from django.http import HttpRequest

THEME_COOKIE = "xero_theme"
THEMES = frozenset({"light", "dark"})


def theme(request: HttpRequest) -> dict[str, str]:
    """Say which theme the reader chose; empty follows their system."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return {"theme": chosen if chosen in THEMES else ""}
