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


class OperationUnknown(Problem):
    """An operation the gateway does not know."""

    code = "operation_unknown"
