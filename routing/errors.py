"""What can go wrong with decisions."""

from __future__ import annotations

from common.problems import Problem


class DecisionUnknown(Problem):
    """The project has no such decision, or it was not kept."""

    code = "decision_not_found"
    status = 404
