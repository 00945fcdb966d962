"""Rows that belong to no single domain."""

from __future__ import annotations

from django.db import models


class OutboxEntry(models.Model):
    """A note, written in the transaction of the change it speaks of.

    ``sent_at`` is empty until the publisher has carried it to the data plane; the beat
    sends what stayed behind.
    """

    topic = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=64)
    written_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "outbox note"
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(sent_at=None), name="outbox_unsent_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic}:{self.subject_id}"


class Versioned(models.Model):
    """Base of every row that is published to the data plane.

    Services raise ``version`` in the same ``UPDATE`` as the change, so that a slow
    publisher can never overwrite a newer state with an older one.
    """

    version = models.PositiveBigIntegerField(default=1, editable=False)

    class Meta:
        abstract = True
