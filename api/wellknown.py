"""What the platform says about itself to anyone who asks."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from apikeys import passes
from common import clock

CACHED_S = 300
"""Half of the time for which a new key is published before it signs."""


@require_safe
@cache_control(public=True, max_age=CACHED_S)
def jwks(_request: HttpRequest) -> JsonResponse:
    """Return the public keys that sign passes."""
    answer = JsonResponse(passes.jwks(clock.now()))
    answer["Access-Control-Allow-Origin"] = "*"
    return answer
