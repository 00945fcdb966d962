"""The audit log: who did what to which object, from where and when; append-only."""

from __future__ import annotations

from typing import Any

from django.db import models

from audit.rules import Link


class AuditEntry(models.Model):
    """One thing somebody did, chained to the entry before it in the same project.

    Plain ids and no foreign keys: an entry outlives what it speaks of. ``project`` is a
    public id, or empty for what concerns the whole platform. A trigger refuses to change
    or delete a row.
    """

    project = models.CharField(max_length=32, blank=True)
    number = models.PositiveBigIntegerField(help_text="Place in the project's chain, from 1")
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=254)
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    action = models.CharField(max_length=64)
    object_kind = models.CharField(max_length=32)
    object_id = models.CharField(max_length=254)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="audit_number_is_unique"),
        ]
        indexes = [
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["project", "object_id", "-number"], name="audit_by_object"),
            models.Index(fields=["project", "actor_name", "-number"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id}"

    @property
    def public_id(self) -> str:
        """Return the name of the entry inside its project."""
        return f"aud_{self.number}"

    def said(self) -> dict[str, Any]:
        """Return everything the hash covers: the whole row but the hashes themselves."""
        return {
            field.attname: getattr(self, field.attname)
            for field in self._meta.concrete_fields
            if field.attname not in {"id", "prev_hash", "hash"}
        }

    def link(self) -> Link:
        """Return the row as a link of its chain."""
        return Link(self.number, self.said(), self.prev_hash, self.hash)


class AuditAnchor(models.Model):
    """The head of a project's chain at a moment, in the one chain of the whole platform.

    It is what finds a chain that was cut short or written anew from some entry on.
    """

    number = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField(db_index=True)
    project = models.CharField(max_length=32, blank=True)
    entry_number = models.PositiveBigIntegerField()
    entry_hash = models.CharField(max_length=64)
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        verbose_name = "proof of the audit log"
        verbose_name_plural = "proofs of the audit log"
        indexes = [
            models.Index(fields=["project", "-entry_number"], name="anchor_by_project"),
        ]

    def __str__(self) -> str:
        return f"{self.project} {self.entry_number}"

    def said(self) -> dict[str, Any]:
        """Return everything the hash covers."""
        names = ("number", "at", "project", "entry_number", "entry_hash")
        return {name: getattr(self, name) for name in names}

    def link(self) -> Link:
        """Return the row as a link of the platform's chain."""
        return Link(self.number, self.said(), self.prev_hash, self.hash)
