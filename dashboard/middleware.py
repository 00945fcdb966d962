"""What goes around every page."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

CONSOLE = "/admin/"


def console_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Loosen the Content-Security-Policy for the operators' console, and for nothing else."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path_info.startswith(CONSOLE):
            # The mark that django-csp's own decorator leaves; it knows no prefixes.
            response._csp_replace = settings.CONSOLE_POLICY  # type: ignore[attr-defined]  # noqa: SLF001
        return response

    return middleware
