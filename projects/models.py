"""Projects: the tenants of the platform."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from common import ids
from projects.rules import SLUG, Role


class Project(models.Model):
    """A tenant. Every other tenant-owned row points at exactly one of these.

    ``public_id`` and ``slug`` are permanent: URLs and keys carry them. A trigger refuses
    to change them.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.project_id, editable=False)
    slug = models.CharField(max_length=32, unique=True, validators=[RegexValidator(SLUG)])
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    delete_after = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(slug__regex=SLUG), name="project_slug_is_well_formed"
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    """A seat: what one person may do in one project."""

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


class ProjectOwned(models.Model):
    """Base of every row that belongs to one tenant.

    A subclass may not make ``project`` optional or point it elsewhere:
    ``tests/architecture/test_tenancy.py`` walks all models and fails if one does.
    """

    project = models.ForeignKey(Project, models.PROTECT, related_name="+")

    class Meta:
        abstract = True
