"""What can go wrong with endpoints."""

from __future__ import annotations

from common.problems import Problem


class SlugTaken(Problem):
    """The project has, or had, an endpoint with this slug."""

    code = "endpoint_slug_taken"
    status = 409


class SlugMalformed(Problem):
    """The slug could not stand in a URL for ever."""

    code = "endpoint_slug_malformed"


class TooManyEndpoints(Problem):
    """The tier allows no further endpoint in this project."""

    code = "endpoint_limit_reached"
    status = 403


class AllowanceElsewhere(Problem):
    """The owner's free allowance is another project's this month."""

    code = "allowance_elsewhere"
    status = 409


class FallbackNotAllowed(Problem):
    """An endpoint can't fall back to this tier, or to none at all."""

    code = "fallback_not_allowed"


class ModelTooLarge(Problem):
    """The tier does not serve models of this size."""

    code = "model_too_large"


class EndpointUnknown(Problem):
    """The project has no such endpoint."""

    code = "endpoint_not_found"
    status = 404


class EndpointRetired(Problem):
    """A retired endpoint never comes back."""

    code = "endpoint_retired"
    status = 409


class SlugNotConfirmed(Problem):
    """Retiring an endpoint asks for its slug, and another one was said."""

    code = "slug_not_confirmed"


class OverrideMalformed(Problem):
    """An override of nothing, without a reason, or that would be over already."""

    code = "override_malformed"


class OverrideUnknown(Problem):
    """There is no override to end."""

    code = "override_not_found"
    status = 404
