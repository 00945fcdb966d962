"""Refusals about people."""

from __future__ import annotations

from common.problems import Problem


class SecondFactorRequired(Problem):
    """The platform asks everyone for a second factor, and this person has none."""

    code = "second_factor_required"
    status = 403
    kind = "authentication_error"

    def __init__(self) -> None:
        super().__init__("This platform asks for a second factor. Set one up at /auth/2fa/.")


class NotToBeSeenAs(Problem):
    """An operator may not look through this person's eyes."""

    code = "not_to_be_seen_as"
    status = 403


class LastOperator(Problem):
    """Someone has to be able to open the console."""

    code = "last_operator"
    status = 409


class OperatorTokenRefused(Problem):
    """No token of an operator can be made like this."""

    code = "operator_token_refused"
