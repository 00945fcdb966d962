"""What an endpoint's slug may look like, and how its changes are told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
MAX_LENGTH = 63
RESERVED = frozenset({"v1", "new"})
"""Words that would collide: with a project's resources under ``/{project}/v1/…``, and with
the page that makes an endpoint."""


_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda slug: not slug, "Give the endpoint a slug."),
    (lambda slug: len(slug) > MAX_LENGTH, f"Use at most {MAX_LENGTH} characters."),
    (lambda slug: slug in RESERVED, "This word is reserved; choose another."),
    (lambda slug: slug != slug.lower(), "Use lower-case letters only."),
    (
        lambda slug: re.search(r"[^a-z0-9-]", slug) is not None,
        "Use only letters a–z, digits and hyphens.",
    ),
    (
        lambda slug: slug.startswith("-") or slug.endswith("-"),
        "Start and end with a letter or a digit.",
    ),
)


def fault_in_slug(slug: str) -> str | None:
    """Say what is wrong with a slug, in words for the person typing it; none if it is fine."""
    return next((message for is_faulty, message in _FAULTS if is_faulty(slug)), None)


_STATE_ACTIONS = {
    "paused": "endpoint.paused",
    "active": "endpoint.resumed",
    "retired": "endpoint.retired",
}


def told(changes: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what the audit log is told of a change: an action, and what is so afterwards."""
    if "state" in changes:
        yield _STATE_ACTIONS[str(changes["state"])], {}
    if "tier" in changes:
        yield "endpoint.moved_to_tier", {"tier": str(changes["tier"])}
