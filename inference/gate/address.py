"""Which paths are the plane's, and what each of them names.

One pattern for the fast edge, for the mount in front of Django and for every proxy that
splits the two planes apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from inference.contracts.names import route_key
from inference.contracts.operations import OPERATIONS
from inference.http.problems import Refused

is_plane_target = re.compile(
    rb"/proj_[0-9A-Za-z]+/(?!v1(?:[/?]|$))[^/?]+/(?:v1(?:[/?]|$)|health(?:\?|$))"
).match
"""Whether a request target is the plane's, as it stands on the wire, query and all.

Proxies ask the same of paths without a query, by a pattern in ``docs/install.md``.
"""

READ = (b"GET", b"HEAD")
HEALTH = "/health"
"""As ``Target.rest``: beside ``/v1`` and not below it, where many look for it."""

_PARTS = re.compile(r"/(proj_[0-9A-Za-z]+)/([^/]+)/(?:v1(?:/(.*))?|health)", re.DOTALL)
_TRICKS = re.compile(r"%(2f|2e|5c|23|3f|25|[01][0-9a-f]|7f)|[\\#]", re.IGNORECASE)
_SLASHED_NAME = re.compile(
    r"(?<=/v1/models/)[\w.:@+-]+(?:%2f[\w.:@+-]+)*$", re.IGNORECASE | re.ASCII
)
"""A model's name with its slashes encoded, as SDKs write it: no other place takes them so."""
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")


@dataclass(frozen=True)
class Target:
    """What a path asks for: ``rest`` is what stands below ``/v1/``.

    ``operation``: the same to be counted by, without the names of models that callers make up.
    ``methods``: those that this place knows, none if the place is unknown. ``route_key``: the
    name of its endpoint in Valkey. ``path``: where a worker is asked for the same.
    """

    project: str
    slug: str
    rest: str
    operation: str
    methods: tuple[bytes, ...]
    route_key: str
    path: str


REMEMBERED_MAX = 512
"""Longer targets are read anew each time: a stranger's would fill the memory."""


def read_target(raw: bytes) -> Target:
    """Read a request target such as ``/proj_…/chat/v1/models?x=1``.

    Raises ``Refused`` for one that two parsers might read differently: encoded slashes or
    dots, dot segments, backslashes, control characters.
    """
    return _known_target(raw) if len(raw) <= REMEMBERED_MAX else _read_target(raw)


def _read_target(raw: bytes) -> Target:
    path = raw.partition(b"?")[0].decode("latin-1")
    parts = _PARTS.fullmatch(path)
    if parts is None or not path.isascii() or not path.isprintable():
        raise Refused("invalid_request", "The path is malformed.")
    if "//" in path:
        # An SDK's base URL that ends with a slash too many; answered, it would hide that.
        meant = re.sub("//+", "/", path)
        raise Refused("invalid_request", f"The path has an empty part. Did you mean {meant}?")
    if _TRICKS.search(_SLASHED_NAME.sub("", path)) or _DOTS.search(path):
        raise Refused("invalid_request", "The path may not hold encoded or dotted separators.")
    project, slug = parts[1], unquote(parts[2])
    if path.endswith("/health") and parts[3] is None:
        return Target(project, slug, HEALTH, "health", READ, route_key(project, slug), "")
    rest = unquote((parts[3] or "").removesuffix("/"))
    methods, key = _methods(rest), route_key(project, slug)
    operation = "models" if methods == READ else rest
    return Target(project, slug, rest, operation, methods, key, "/" + rest)


_known_target = lru_cache(4096)(_read_target)


def _methods(rest: str) -> tuple[bytes, ...]:
    if rest in OPERATIONS:
        return (b"POST",)
    if rest == "models" or rest.startswith("models/"):
        return READ
    return ()
