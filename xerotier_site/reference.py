"""The API's reference at ``/docs/api``: what ``api`` knows, in the dashboard's dress."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from api import reference
from dashboard.docs.pages import Group, menu
from dashboard.shell.door import show


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """The reference, beside the menu of all guides."""

    subjects: tuple[reference.Subject, ...]
    html: SafeString
    menu: tuple[Group, ...]


@require_GET
def api_reference(request: HttpRequest) -> HttpResponse:
    """Show every operation, with an example."""
    made = reference.reference()
    context = ReferencePage(made.subjects, made.html, menu("api"))
    return show(request, "api/reference.html", context)
