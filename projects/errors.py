"""What can go wrong with projects."""

from __future__ import annotations

from common.problems import Problem


class TooManyProjects(Problem):
    """The person owns as many projects as one may, or opened many today."""

    code = "project_limit_reached"
    status = 403


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


class ProofRequired(Problem):
    """A session asks for something sensitive, and its person did not show lately who they are."""

    code = "reauthentication_required"
    status = 401
    kind = "authentication_error"
    auth_header = 'Session realm="/auth/reauthenticate/"'


class KeyOfAnotherProject(Problem):
    """A good key, shown at another project's door."""

    code = "cross_project_access"
    status = 403
    kind = "authentication_error"


class SecondFactorRequired(Problem):
    """The project lets in only people who have a second factor."""

    code = "second_factor_required"
    status = 403
    kind = "authentication_error"


class ProjectMarkedForDeletion(Problem):
    """The project is about to be deleted: it can be looked at and restored, nothing else."""

    code = "project_marked_for_deletion"
    status = 409


class ProjectSuspended(Problem):
    """The operator of the platform has shut the project: it can be looked at, nothing else."""

    code = "project_suspended"
    status = 403
    kind = "authentication_error"


class SuspensionMalformed(Problem):
    """A suspension without a reason, or one that would be over already."""

    code = "suspension_malformed"


class NotSuspended(Problem):
    """There is no suspension to lift."""

    code = "not_suspended"
    status = 409


class ProjectNotMarked(Problem):
    """There is nothing to restore."""

    code = "project_not_marked"
    status = 409


class SlugNotConfirmed(Problem):
    """Deleting asks for the project's slug, and another word was given."""

    code = "project_slug_not_confirmed"


class OriginMalformed(Problem):
    """No browser writes an origin like this."""

    code = "origin_malformed"
    status = 400


class LastOwner(Problem):
    """A project is never without an owner."""

    code = "last_owner"
    status = 409


class MemberUnknown(Problem):
    """The project has no such member."""

    code = "member_not_found"
    status = 404


class AlreadyMember(Problem):
    """The person sits in the project already."""

    code = "already_member"
    status = 409


class InvitationPending(Problem):
    """The address has an invitation that is still open."""

    code = "invitation_pending"
    status = 409


class InvitationUnknown(Problem):
    """No such invitation, or none that is open, or not for this person."""

    code = "invitation_not_found"
    status = 404


class ProjectNotFound(Problem):
    """No such project, or none that this person may know of."""

    code = "project_not_found"
    status = 404
