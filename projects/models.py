"""Projects: the tenants of the platform."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models

from common import ids
from projects.rules import SLUG, Role


class Project(models.Model):
    """A tenant. Every other tenant-owned row points at exactly one of these.

    ``public_id`` and ``slug`` are permanent: URLs and keys carry them. A trigger refuses
    to change them. From ``delete_after`` on nobody sits in it any more; the row stays for good,
    because usage and bills name it. Pages of ``origins`` may read what its endpoints answer.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.project_id, editable=False)
    slug = models.CharField(max_length=32, unique=True, validators=[RegexValidator(SLUG)])
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    requires_second_factor = models.BooleanField(default=False)
    origins = ArrayField(models.CharField(max_length=253), default=list, blank=True)
    delete_after = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspended_until = models.DateTimeField(null=True, blank=True, editable=False)
    suspension_reason = models.CharField(max_length=240, blank=True, editable=False)
    suspended_by = models.CharField(max_length=254, blank=True, editable=False)
    suspended_with = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    """The suspended person who alone owns it, where that is why."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(slug__regex=SLUG), name="project_slug_is_well_formed"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def is_suspended(self, moment: datetime) -> bool:
        """Say whether the operator has shut it at a moment; a suspension's end is excluded."""
        is_over = self.suspended_until is not None and self.suspended_until <= moment
        return self.suspended_at is not None and not is_over


class Membership(models.Model):
    """A seat: what one person may do in one project.

    A trigger refuses to take a project's last owner away, at the end of the transaction.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.member_id, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_role_per_project"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.role} of {self.project_id}"


class Invitation(models.Model):
    """A seat kept for whoever proves to hold an e-mail address.

    The e-mail carries a token; we keep its digest. It is *pending* until it is accepted,
    revoked or out of date, and it is bound to the address: the token alone opens nothing.
    """

    public_id = models.CharField(
        max_length=32, unique=True, default=ids.invitation_id, editable=False
    )
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    email = models.EmailField("e-mail address")
    role = models.CharField(max_length=16, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-invited_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_per_address",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="owner"), name="nobody_is_invited_as_owner"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.project_id}"

    def is_pending(self, moment: datetime) -> bool:
        """Say whether it can be accepted at ``moment``; its last instant is excluded."""
        return self.accepted_at is None and self.revoked_at is None and moment < self.expires_at


class ProjectOwned(models.Model):
    """Base of every row that belongs to one tenant.

    A subclass may not make ``project`` optional or point it elsewhere:
    ``tests/architecture/test_tenancy.py`` walks all models and fails if one does.
    """

    project = models.ForeignKey(Project, models.PROTECT, related_name="+")

    class Meta:
        abstract = True
