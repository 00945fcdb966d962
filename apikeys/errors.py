"""What can go wrong with keys, in words an edge can translate."""

from __future__ import annotations

from common.problems import Problem


class KeyNameTaken(Problem):
    """Another live key of the project already has this name."""

    code = "key_name_taken"
    status = 409


class ScopesEmpty(Problem):
    """A key needs at least one scope."""

    code = "key_scopes_empty"


class ExpiryInThePast(Problem):
    """A key can't expire before it is issued."""

    code = "key_expiry_in_the_past"


class KeyUnknown(Problem):
    """The project has no such key."""

    code = "key_not_found"
    status = 404
