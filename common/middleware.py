"""One transaction for everything that happens in a tenant's name, rendering included.

Innermost, so that it spans the view and its template but neither sessions nor headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from common import tenancy
from inference.contracts.keys import is_key

AFTERWARDS = "xerotier.afterwards"
"""Where a request collects what is to be done whatever became of it, outside its transaction."""

Step = Callable[[HttpRequest], HttpResponse]

_OF_A_PROJECT = re.compile(r"^/(dashboard/)?proj_[^/]*/")
_OF_OPERATORS = ("/admin/", "/v1/operator/")
_BROKEN = 500


def _is_hopeless(request: HttpRequest) -> bool:
    """Say whether a bearer is no key by its checksum: it is refused without the database."""
    scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and not is_key(plain.strip())


def tenant_wall(get_response: Step) -> Step:
    """Confine what is asked of a project to that project; let operators see all.

    An answer that is an error undoes what was done before it: with 500s, and with every
    refusal of the API.
    """

    def step(request: HttpRequest) -> HttpResponse:
        if _OF_A_PROJECT.match(request.path_info) and not _is_hopeless(request):
            standing = tenancy.confined
        elif request.path_info.startswith(_OF_OPERATORS):
            # Operators look after all tenants; console and operator API ask who is one.
            standing = tenancy.system
        else:
            return get_response(request)
        with standing():
            response = get_response(request)
            if response.status_code >= _BROKEN or getattr(response, "exception", False):
                transaction.set_rollback(True)
        for act in request.META.get(AFTERWARDS, ()):
            act()
        return response

    return step
