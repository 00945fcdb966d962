"""The API's reference at ``/docs/api``: what ``api`` knows, in the dashboard's dress."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from api.reference import reference
from dashboard.door import show


@require_GET
def api_reference(request: HttpRequest) -> HttpResponse:
    """Show every operation, with an example."""
    return show(request, "api/reference.html", reference())
