"""What was consumed, one row a request, kept for good."""

from __future__ import annotations

from django.db import models

from projects.models import ProjectOwned


class TokenSource(models.TextChoices):
    """Who counted the tokens."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    ABSENT = "absent"


class UsageRecord(ProjectOwned):
    """One admitted request.

    The table is partitioned by month, with the primary key ``(request_id, started_at)``;
    ``started_at`` is derived from the UUIDv7 in the id, so a replayed event meets its own
    partition. Django sees ``request_id`` alone as the key (it is unique by construction);
    the migration writes the table in SQL. Everything but the project is kept as plain text, so
    that the row survives the endpoint, the key, the worker and the person.
    """

    request_id = models.CharField(max_length=48, primary_key=True)
    started_at = models.DateTimeField()
    endpoint = models.CharField(max_length=63)
    endpoint_id = models.CharField(max_length=32)
    model = models.CharField(max_length=80)
    key_id = models.CharField(max_length=32)
    worker_id = models.CharField(max_length=32)
    operation = models.CharField(max_length=40)
    streamed = models.BooleanField()
    status = models.PositiveSmallIntegerField()
    ending = models.CharField(max_length=24)
    source = models.CharField(max_length=12, choices=TokenSource.choices)
    tokens_in = models.PositiveBigIntegerField()
    tokens_out = models.PositiveBigIntegerField()
    tokens_cached = models.PositiveBigIntegerField()
    ttft_ms = models.FloatField(null=True)
    latency_ms = models.FloatField()
    tier = models.CharField(max_length=40)
    terms_number = models.PositiveIntegerField()
    caller_request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        db_table = "usage_record"
        ordering = ["-started_at", "-request_id"]
        verbose_name = "usage record"

    def __str__(self) -> str:
        return self.request_id


class PoisonEvent(models.Model):
    """An event that could not become a usage record: set aside whole, never dropped."""

    stream = models.CharField(max_length=40)
    entry_id = models.CharField(max_length=40)
    body = models.TextField()
    reason = models.CharField(max_length=400)
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "entry_id"], name="poison_is_kept_once"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.entry_id}"
