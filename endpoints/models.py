"""Endpoints: a project's permanent slug, bound to one model and one tier."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from catalog.models import CatalogModel, ServiceTier
from common import ids
from common.models import Versioned
from endpoints.rules import SLUG
from projects.models import ProjectOwned


class EndpointState(models.TextChoices):
    """Whether an endpoint answers. A retired one never comes back, and its slug stays taken."""

    ACTIVE = "active"
    PAUSED = "paused"
    RETIRED = "retired"


class Endpoint(ProjectOwned, Versioned):
    """A permanent URL of a project.

    The slug can't be changed by anyone: a trigger refuses, because callers have it in
    their configuration. Endpoints are retired, never deleted: usage names them.
    """

    public_id = models.CharField(
        max_length=32, unique=True, default=ids.endpoint_id, editable=False
    )
    slug = models.CharField(max_length=63, validators=[RegexValidator(SLUG)])
    model = models.ForeignKey(CatalogModel, models.PROTECT, related_name="+")
    tier = models.ForeignKey(ServiceTier, models.PROTECT, related_name="+")
    region = models.CharField(
        max_length=40, blank=True, help_text="Where its machines have to be. Empty: anywhere"
    )
    fallback = models.ForeignKey(
        ServiceTier,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Tier of the platform's machines that serves when the project's own can't",
    )
    state = models.CharField(
        max_length=16, choices=EndpointState.choices, default=EndpointState.ACTIVE
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["project", "-id"], name="endpoint_newest_in_project")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "slug"], name="endpoint_slug_is_unique_in_project"
            ),
            models.CheckConstraint(
                condition=models.Q(slug__regex=SLUG), name="endpoint_slug_is_well_formed"
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class AllowanceClaim(ProjectOwned):
    """A person's monthly allowance of a tier is with this project: one project at a time.

    ``person`` is an owner of the project. A claim that ended counts until its UTC month is
    over, so that nobody uses two allowances in one by moving between projects.
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    tier = models.ForeignKey(ServiceTier, models.PROTECT, related_name="+")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "tier"],
                condition=models.Q(ended_at=None),
                name="allowance_is_with_one_project",
            ),
            models.UniqueConstraint(
                fields=["project", "tier"],
                condition=models.Q(ended_at=None),
                name="project_has_one_allowance",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id}: {self.tier_id} in {self.project_id}"


class LimitOverride(ProjectOwned):
    """Other limits than the tier's, for one project or one endpoint of it, until a moment.

    Empty columns leave the tier's number as it is. There is at most one live row for the
    project as a whole and one for each endpoint, which wins.
    """

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, null=True, related_name="+")
    requests_per_min = models.PositiveIntegerField(null=True)
    tokens_per_min = models.PositiveIntegerField(null=True)
    concurrent = models.PositiveIntegerField(null=True)
    monthly_tokens = models.PositiveBigIntegerField(null=True)
    request_timeout_s = models.PositiveIntegerField(null=True)
    idle_timeout_s = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=240)
    made_by = models.CharField(max_length=254)
    made_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "endpoint"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name="one_live_override",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project_id}: {self.reason}"
