"""What the frame of every page needs, also of those that are not ours (allauth's)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from dashboard.shell.frame import frame_of

THEME_COOKIE = "xero_theme"
THEMES = frozenset({"light", "dark"})


def theme(request: HttpRequest) -> dict[str, str]:
    """Say which theme the reader chose; empty follows their system."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return {"theme": chosen if chosen in THEMES else ""}


def frame(request: HttpRequest) -> dict[str, object]:
    """Offer the frame of the project one came from; it is looked for only where it is used."""
    return {"frame": SimpleLazyObject(lambda: frame_of(request))}


def mail(_request: HttpRequest) -> dict[str, bool]:
    """Say whether mail is printed in the terminal instead of being sent."""
    return {"mail_is_printed": settings.EMAIL_BACKEND.endswith("console.EmailBackend")}
