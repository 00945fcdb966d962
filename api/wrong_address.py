"""What a caller meant whose base URL is a little off: the most usual mistake of a beginner."""

from __future__ import annotations

import re

from inference.contracts.operations import OPERATIONS

_WORDS = "|".join([*OPERATIONS, "models"])
_OPERATION = re.compile(rf"(?:^|/)({_WORDS})/*$", re.IGNORECASE)
_PLACE = re.compile(r"^/+(proj_[0-9A-Za-z]+)/+(?!v1(?:/|$))([a-z0-9-]{1,63})(?:/|$)", re.IGNORECASE)
_BASE = re.compile(r"^/+(?:proj_[0-9A-Za-z]+|v1(?!/operator/))(?:/|$)", re.IGNORECASE)


def hint_for(path: str, site: str) -> str:
    """Return a sentence about the address that was meant; nothing if none can be told."""
    operation, place = _OPERATION.search(path), _PLACE.match(path)
    if operation is not None and place is not None:
        right = f"{site}/{place[1]}/{place[2].lower()}/v1/{operation[1].lower()}"
        return f" Did you mean {right}?"
    if operation is not None or _BASE.match(path) is not None:
        base = f"{site}/proj_…/your-endpoint/v1"
        return f" The base URL of an OpenAI client is {base} here; the endpoint's page shows it."
    return ""
