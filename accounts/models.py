"""People who sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from common import ids


class UserManager(BaseUserManager["User"]):
    """Makes people; an e-mail address is all it takes."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Return a saved person; without a password they can only sign in another way."""
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Return an operator: staff, with every permission."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. What they may do is said by their memberships, never by this row."""

    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField("operator", default=False)
    is_active = models.BooleanField("active", default=True)
    joined_at = models.DateTimeField(auto_now_add=True)
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspended_until = models.DateTimeField(null=True, blank=True, editable=False)
    suspension_reason = models.CharField(max_length=240, blank=True, editable=False)
    suspended_by = models.CharField(max_length=254, blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="person_email_is_unique_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.email


class OperatorToken(models.Model):
    """What a program of an operator shows at the operator API: never a key of a project.

    We keep its digest. It does what its person may do by now, and ends with their being one.
    """

    public_id = models.CharField(
        max_length=32, unique=True, default=ids.operator_token_id, editable=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=24)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-made_at", "-id"]

    def __str__(self) -> str:
        return self.public_id

    def is_live(self, moment: datetime) -> bool:
        """Say whether it opens anything at ``moment``; its last instant is excluded."""
        user = self.user
        may = user.is_active and user.is_staff and user.is_superuser
        return may and self.revoked_at is None and moment < self.expires_at
