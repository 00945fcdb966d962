"""Decisions that were kept, one row for each attempt that a worker was chosen for."""

from __future__ import annotations

from django.db import models

from projects.models import Project, ProjectOwned
from routing.rules import Because


class KeptDecision(ProjectOwned):
    """One choice of a worker, with what it was made from and what came of it.

    ``body`` is the record of the contract (``inference.contracts.records``) with its best
    candidates, and counts of those beyond; the columns are what is searched by.
    """

    # Without an index of its own: it is the first column of the one that is looked up by.
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    request_id = models.CharField(max_length=48)
    attempt = models.PositiveSmallIntegerField()
    at = models.DateTimeField(help_text="When the attempt was over")
    endpoint = models.CharField(max_length=63)
    model = models.CharField(max_length=80)
    worker_id = models.CharField(max_length=32)
    kept_because = models.CharField(max_length=12, choices=Because.choices)
    target = models.PositiveSmallIntegerField(help_text="As in inference.contracts.records")
    ending = models.CharField(max_length=24, blank=True)
    ttft_us = models.BigIntegerField("time to first token, in microseconds", null=True)
    body = models.JSONField()

    class Meta:
        ordering = ["-at"]
        verbose_name = "routing decision"
        indexes = [
            # What is swept after an hour, and all others after their days.
            models.Index(
                fields=["at"],
                condition=models.Q(kept_because=Because.RECENT),
                name="decision_recent",
            ),
            models.Index(fields=["at"], name="decision_by_age"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "request_id", "attempt"], name="decision_is_kept_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} ({self.attempt})"


class DecisionReading(models.Model):
    """Up to which entry the stream of records was read, and what came of those. One row.

    ``recent``: rows that are kept for an hour only, about; ``kept``, ``dropped`` and ``unread``
    count records since the beginning: kept, of nobody we know or too many, and not understood.
    """

    entry_id = models.CharField(max_length=48, default="0-0")
    recent = models.BigIntegerField(default=0)
    kept = models.BigIntegerField(default=0)
    dropped = models.BigIntegerField(default=0)
    unread = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.entry_id
