"""What a model of the catalog may be called: as the world writes it."""

from __future__ import annotations

import re

NAME_MAX = 80
NAME = r"^[A-Za-z0-9][A-Za-z0-9._:@+-]*(/[A-Za-z0-9._:@+-]+)*$"
"""Letters, digits, dots, slashes, hyphens and ``_ : @ +``: ``llama-3.1-8b``, ``Org/Name-7B``.

Names that differ in nothing but capitals are one name."""

_WRONG = re.compile(r"[^A-Za-z0-9._:@+/-]")


def fault_in_name(name: str) -> str | None:
    """Say what is wrong with a name; none if it is fine."""
    if not name:
        return "Give the model a name."
    if len(name) > NAME_MAX:
        return f"Use at most {NAME_MAX} characters."
    wrong = _WRONG.search(name)
    if wrong is not None:
        return f"Use letters, digits and . _ : @ + / - only; {wrong[0]!r} is none of them."
    if not name[0].isalnum() or name[-1] == "/":
        return "Begin with a letter or a digit, and don't end with a slash."
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "Put a word between any two slashes; “.” and “..” are none."
    return None
