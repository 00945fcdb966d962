"""What can go wrong when a machine joins, in words its owner can act on."""

from __future__ import annotations

from common.problems import Problem


class JoinKeyNameTaken(Problem):
    """Another open join key of the owner has this name."""

    code = "join_key_name_taken"
    status = 409


class JoinKeyMalformed(Problem):
    """A join key can't be made so."""

    code = "join_key_malformed"


class TooManyJoinKeys(Problem):
    """The owner has as many open join keys as one may."""

    code = "join_key_limit_reached"
    status = 403


class JoinKeyUnknown(Problem):
    """The project has no such join key."""

    code = "join_key_not_found"
    status = 404


class JoinKeyInvalid(Problem):
    """Nobody made this join key here."""

    code = "join_key_invalid"
    status = 401
    kind = "authentication_error"


class JoinKeyExpired(Problem):
    """Its time is over."""

    code = "join_key_expired"
    status = 403
    kind = "authentication_error"


class JoinKeyRevoked(Problem):
    """Somebody closed it."""

    code = "join_key_revoked"
    status = 403
    kind = "authentication_error"


class JoinKeyUsedUp(Problem):
    """As many machines came with it as were to come."""

    code = "join_key_used_up"
    status = 403
    kind = "authentication_error"


class NameNotAllowed(Problem):
    """The join key lets in machines of other names."""

    code = "name_not_allowed"


class AlreadyEnrolled(Problem):
    """The machine's key belongs to an agent that came with another join key."""

    code = "already_enrolled"
    status = 409


class AgentRevoked(Problem):
    """Its owner revoked this machine."""

    code = "agent_revoked"
    status = 403
    kind = "authentication_error"


class AgentNotEnrolled(Problem):
    """No machine of this id and key is enrolled here."""

    code = "agent_unknown"
    status = 404


class SignatureInvalid(Problem):
    """What was signed is not what was said, or by another key."""

    code = "signature_invalid"
    status = 401
    kind = "authentication_error"


class ClockOff(Problem):
    """The machine's clock is too far from ours: ``server_time`` says what it is here."""

    code = "clock_off"
