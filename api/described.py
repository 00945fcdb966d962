"""The API's description at ``/api/openapi.json``: made once, for everyone the same bytes."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe
from drf_spectacular.generators import SchemaGenerator

CACHED_S = 300

_one_maker = Lock()


def document() -> dict[str, Any]:
    """Return the description as data. It changes only with the code."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # why: untyped there
    return made


def _written() -> tuple[bytes, str]:
    # Whoever comes while it is made waits for it, rather than making it as well.
    with _one_maker:
        return _made()


@cache
def _made() -> tuple[bytes, str]:
    text = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()
    return text, f'"{hashlib.sha256(text).hexdigest()[:24]}"'


def _etag(_request: HttpRequest) -> str:
    return _written()[1]


@require_safe
@cache_control(public=True, max_age=CACHED_S)
@condition(etag_func=_etag)
def openapi(_request: HttpRequest) -> HttpResponse:
    """Return the description, or 304 to whoever has it."""
    return HttpResponse(_written()[0], content_type="application/json")
