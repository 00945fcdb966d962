"""API keys: what a project shows at the door of the data plane."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from apikeys.rules import Scope
from common import ids
from common.models import Versioned
from endpoints.models import Endpoint
from projects.models import ProjectOwned


class ApiKey(ProjectOwned, Versioned):
    """A project's credential. Its secrets are rows of their own: rotation adds one.

    Keys are revoked, never deleted: usage rows name the key that paid for them, and a
    bill may be disputed long after the key is gone.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.key_id, editable=False)
    name = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices))
    endpoint = models.ForeignKey(
        Endpoint,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Pins the key to one endpoint",
    )
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    ip_allow = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    ip_block = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    quota_requests = models.PositiveIntegerField(null=True, blank=True)
    quota_window_s = models.PositiveIntegerField("quota window (s)", null=True, blank=True)

    class Meta:
        ordering = ["-issued_at", "-id"]
        verbose_name = "API key"
        indexes = [models.Index(fields=["project", "-id"], name="apikey_newest_in_project")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(revoked_at=None),
                name="apikey_live_name_is_unique",
            ),
            models.CheckConstraint(
                # Both or none; said twice, because a comparison with null is no refusal.
                condition=models.Q(quota_requests=None, quota_window_s=None)
                | models.Q(
                    quota_requests__isnull=False,
                    quota_requests__gt=0,
                    quota_window_s__isnull=False,
                    quota_window_s__gt=0,
                ),
                name="apikey_quota_is_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(scopes__len__gt=0), name="apikey_has_a_scope"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_live(self, moment: datetime) -> bool:
        """Say whether the key opens the door at ``moment``; its last instant is excluded."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or moment < self.expires_at


class KeySecret(models.Model):
    """One secret of a key: its digest, and the few characters people recognise it by.

    A key has one, or two while a rotation's grace lasts; ``ends_at`` is when the older stops.
    """

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="secrets")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    pepper = models.CharField(max_length=16, editable=False, help_text="Name of the pepper used")
    hint = models.CharField(max_length=64, editable=False)
    issued_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-issued_at", "-id"]

    def __str__(self) -> str:
        return self.hint

    def is_live(self, moment: datetime) -> bool:
        """Say whether this secret of the key still counts at ``moment``."""
        return self.ends_at is None or moment < self.ends_at


class SigningKey(Versioned):
    """A key that signs passes. Its private half is sealed with the platform's keyring.

    It signs from ``signs_from`` until a newer one does, and stays published until
    ``ends_at``, when its last pass has run out. Rows stay.
    """

    kid = models.CharField(max_length=32, unique=True, default=ids.signing_key_id, editable=False)
    x = models.CharField(max_length=64, editable=False, help_text="Public half, base64url")
    sealed = models.TextField(editable=False)
    created_at = models.DateTimeField()
    signs_from = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-signs_from", "-id"]

    def __str__(self) -> str:
        return self.kid
