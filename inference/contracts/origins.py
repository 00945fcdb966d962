"""Pages of other origins: which may read our answers, and what a browser is told of it (CORS).

Nobody's cookies count for inference, so what is allowed is only to read an answer to a request
that carries its own key: credentials are never allowed. A list names origins as browsers write
them (``https://app.example.org``), or ``*``; an empty one allows none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

Lines = bytes
"""As in ``http.lines``, which nothing here may import."""

ANY: Final = "*"
REMEMBER_S: Final = 7200
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", re.ASCII)
_NAMES = re.compile(rb"[0-9A-Za-z!#$%&'*+.^_`|~, -]{1,2048}").fullmatch

_EXPOSED: Final = (
    b"access-control-expose-headers: x-request-id, x-xerotier-request-id, x-xerotier-worker-id, "
    b"x-xerotier-decision-id, x-xerotier-clamped, retry-after, x-should-retry, "
    b"x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    b"x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens\r\n"
)
_TO_ANY: Final = b"access-control-allow-origin: *\r\n" + _EXPOSED


def is_origin(text: str) -> bool:
    """Say whether this may stand in a list: an origin as browsers write it, or ``*``."""
    return text == ANY or _ORIGIN.fullmatch(text) is not None


def lines_for(origin: bytes, allowed: Collection[str]) -> Lines:
    """Return the fields that let a page of this origin read an answer; none if it may not."""
    if ANY in allowed:
        return _TO_ANY
    if origin.decode("latin-1") not in allowed:
        return b""
    return b"access-control-allow-origin: %b\r\nvary: Origin\r\n%b" % (origin, _EXPOSED)


def preflight_lines(methods: str, wanted: bytes) -> Lines:
    """Return what a browser asks before it sends: any field that it named is taken."""
    lines = b"access-control-allow-methods: %b\r\n" % methods.encode()
    if _NAMES(wanted):
        lines += b"access-control-allow-headers: %b\r\n" % wanted
    return lines + b"access-control-max-age: %d\r\n" % REMEMBER_S
