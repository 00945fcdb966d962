"""What can go wrong with projects."""

from __future__ import annotations

from common.problems import Problem


class ProjectSlugTaken(Problem):
    """Another project has this slug; slugs are unique on the platform and permanent."""

    code = "project_slug_taken"
    status = 409


class ProjectSlugMalformed(Problem):
    """The slug has a form that could not stand in a key."""

    code = "project_slug_malformed"


class RoleInsufficient(Problem):
    """The person belongs to the project, but their role does not carry this."""

    code = "role_insufficient"
    status = 403
    kind = "authentication_error"


class KeyOfAnotherProject(Problem):
    """A good key, shown at another project's door."""

    code = "cross_project_access"
    status = 403
    kind = "authentication_error"


class ProjectNotFound(Problem):
    """No such project, or none that this person may know of."""

    code = "project_not_found"
    status = 404
