"""Rows that belong to no single domain."""

from __future__ import annotations

from django.db import models


class OutboxEntry(models.Model):
    """A note, written in the transaction of the change it speaks of.

    ``sent_at`` is empty until every reader of its topic has had it (see ``OutboxDelivery``).
    """

    topic = models.CharField("kind of thing", max_length=64)
    subject_id = models.CharField("which one", max_length=64)
    written_at = models.DateTimeField("changed at", auto_now_add=True)
    sent_at = models.DateTimeField("published at", null=True, blank=True)

    class Meta:
        verbose_name = "change to publish"
        verbose_name_plural = "changes to publish"
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(sent_at=None), name="outbox_unsent_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic}:{self.subject_id}"


class OutboxDelivery(models.Model):
    """A note on its way to one of its readers: what one can't take delays nobody else.

    After too many failures it is set aside (``shelved_at``) with the reason, until an operator
    has it tried again or drops it.
    """

    note = models.ForeignKey(OutboxEntry, on_delete=models.CASCADE, related_name="deliveries")
    reader = models.CharField("told to", max_length=32)
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    shelved_at = models.DateTimeField("given up at", null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    fault = models.TextField(blank=True)

    class Meta:
        verbose_name = "delivery of a change"
        verbose_name_plural = "deliveries of changes"
        constraints = [
            models.UniqueConstraint(fields=["note", "reader"], name="outbox_one_for_each_reader"),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(done_at=None, shelved_at=None),
                name="outbox_open_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.note_id} to {self.reader}"


class Versioned(models.Model):
    """Base of every row that is published to the data plane.

    Services raise ``version`` in the same ``UPDATE`` as the change, so that a slow
    publisher can never overwrite a newer state with an older one.
    """

    version = models.PositiveBigIntegerField(default=1, editable=False)

    class Meta:
        abstract = True


class IdempotentAnswer(models.Model):
    """What a POST was answered, for whoever sends it again with the same ``Idempotency-Key``.

    ``name`` is a digest of caller, method, path and key; the answer holds no secret. Kept
    for 24 hours.
    """

    name = models.CharField(max_length=64, primary_key=True)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    made_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.name[:12]} {self.status}"
