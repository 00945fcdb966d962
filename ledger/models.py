"""Money: every movement one row, never changed; a balance is their sum.

Amounts are integer micro-units of the currency (1,000,000 is one unit); what adds to the
balance is positive.
"""

from __future__ import annotations

from django.db import models

from ledger.rules import EntryKind
from projects.models import ProjectOwned


class LedgerEntry(ProjectOwned):
    """One movement of a project's money. A trigger refuses to change or delete it.

    A charge names its request, and the terms it was billed on; ``reference`` is what makes
    a payment count once, however often its provider tells of it.
    """

    at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=EntryKind.choices)
    amount = models.BigIntegerField(help_text="Micro-units; positive adds to the balance")
    request_id = models.CharField(max_length=48, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    endpoint_id = models.CharField(max_length=32, blank=True)
    key_id = models.CharField(max_length=32, blank=True)
    tier = models.CharField(max_length=40, blank=True)
    terms_number = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=240, blank=True)
    written_by = models.CharField(max_length=254, blank=True)
    reference = models.CharField(max_length=120, null=True, blank=True, unique=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "ledger entry"
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=["project", "-id"], name="ledger_by_project"),
            models.Index(fields=["project", "started_at"], name="ledger_by_day"),
            # A few among millions of charges: what was granted, and the list people read.
            models.Index(
                fields=["project", "-id"],
                include=["amount"],
                condition=~models.Q(kind__in=["charge", "amend"]),
                name="ledger_movements",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["request_id", "kind"],
                condition=models.Q(kind__in=["charge", "amend"]),
                name="request_is_charged_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class UnmatchedPayment(models.Model):
    """A payment that arrived and could be credited to nobody: for the operator to settle.

    ``minor`` counts the smallest unit of its own currency, as the provider said it.
    """

    reference = models.CharField(max_length=120, unique=True)
    project = models.CharField(max_length=64, blank=True, help_text="As the payment named it")
    minor = models.BigIntegerField("amount", help_text="In the currency’s smallest unit")
    currency = models.CharField(max_length=8)
    reason = models.CharField(max_length=120)
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "unmatched payment"

    def __str__(self) -> str:
        return f"{self.minor} {self.currency}"
