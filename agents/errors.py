"""What can go wrong with workers."""

from __future__ import annotations

from common.problems import Problem


class WorkerNameTaken(Problem):
    """Another worker has this name."""

    code = "worker_name_taken"
    status = 409


class WorkerUrlMalformed(Problem):
    """The URL is not one a gateway could ask."""

    code = "worker_url_malformed"


class WorkerRetired(Problem):
    """A retired worker never comes back."""

    code = "worker_retired"
    status = 409


class TierNotForWorkers(Problem):
    """A tier that shared machines don't serve, or none where one is needed."""

    code = "worker_tier_unknown"


class TierUnavailable(Problem):
    """No machine serves this model on this tier."""

    code = "tier_unavailable"
    status = 409


class RegionUnavailable(Problem):
    """No machine in this region serves this model on this tier."""

    code = "region_unavailable"
    status = 409


class OperationUnknown(Problem):
    """An operation the gateway does not know."""

    code = "operation_unknown"


class AgentUnknown(Problem):
    """The project has no such agent."""

    code = "agent_not_found"
    status = 404


class AgentNameTaken(Problem):
    """Another agent of the owner has this name."""

    code = "name_taken"
    status = 409


class AgentRetired(Problem):
    """A retired agent never comes back; its machine enrols anew."""

    code = "agent_retired"
    status = 409


class BackendUnknown(Problem):
    """The project has no such backend."""

    code = "backend_not_found"
    status = 404


class BackendNameTaken(Problem):
    """Another backend of the project has this name."""

    code = "backend_name_taken"
    status = 409


class BackendUnreachable(Problem):
    """What is at the URL can't be asked, or is no OpenAI-compatible server."""

    code = "backend_unreachable"


class BackendModelsMalformed(Problem):
    """A backend can't serve these models."""

    code = "backend_models_malformed"


class TooManyBackends(Problem):
    """The project has as many backends as one may."""

    code = "backend_limit_reached"
    status = 403
