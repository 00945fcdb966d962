"""What can go wrong with keys, in words an edge can translate."""

from __future__ import annotations

from common.problems import Problem


class KeyNameTaken(Problem):
    """Another live key of the project already has this name."""

    code = "key_name_taken"
    status = 409


class TooManyKeys(Problem):
    """The project has as many live keys as one may."""

    code = "key_limit_reached"
    status = 403


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


class KeyRevoked(Problem):
    """A revoked key never changes again."""

    code = "key_revoked"
    status = 409


class AddressMalformed(Problem):
    """An IP rule is neither an address nor a range in CIDR form."""

    code = "ip_rule_malformed"


class QuotaMalformed(Problem):
    """A quota counts at least one request in a window of a second to a year."""

    code = "quota_malformed"


class GraceTooLong(Problem):
    """The old secret may live on for at most seven days."""

    code = "rotation_grace_too_long"


class SignatureInvalid(Problem):
    """A report of leaked keys has a signature that is not good."""

    code = "signature_invalid"
    status = 401
    kind = "authentication_error"


class ReportUnsigned(Problem):
    """A report without a signature is long, or holds no key that would speak for itself."""

    code = "report_unsigned"
    status = 401
    kind = "authentication_error"
