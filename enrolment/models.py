"""Join keys: what lets a machine enrol, and who came with it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.models import Agent
from common import ids
from enrolment import rules
from projects.models import Project


class JoinKey(models.Model):
    """Lets machines enrol as a project's own, or (without one) as the operator's.

    Revoking it leaves the machines alone that came with it. Rows stay: they say who let in whom.
    """

    HIDES_THE_PLATFORMS: ClassVar = True
    """A tenant's role sees no row without a project."""

    public_id = models.CharField(
        max_length=32, unique=True, default=ids.join_key_id, editable=False
    )
    name = models.CharField(max_length=rules.NAME_MAX)
    project = models.ForeignKey(
        Project, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=64, editable=False)
    region = models.CharField(max_length=40, blank=True)
    tiers = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    name_pattern = models.CharField(max_length=rules.PATTERN_MAX, blank=True)
    needs_approval = models.BooleanField(default=False)
    uses_max = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: any number")
    uses = models.PositiveIntegerField(default=0, editable=False)
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    issued_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-issued_at", "-id"]
        indexes = [models.Index(fields=["project", "-id"], name="joinkey_newest_in_project")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(revoked_at=None),
                nulls_distinct=False,
                name="joinkey_open_name_is_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(uses_max=None) | models.Q(uses__lte=models.F("uses_max")),
                name="joinkey_lets_in_no_more_than_it_says",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def state(self, moment: datetime) -> str:
        """Say ``open``, or why it lets nobody in: ``revoked``, ``expired``, ``used_up``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= moment:
            return "expired"
        is_used_up = self.uses_max is not None and self.uses >= self.uses_max
        return "used_up" if is_used_up else "open"


class JoinKeyUse(models.Model):
    """One machine that came with a join key, and from where."""

    join_key = models.ForeignKey(JoinKey, models.CASCADE, related_name="uses_made")
    agent = models.OneToOneField(Agent, models.CASCADE, related_name="+")
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.agent_id} by {self.join_key_id}"
