"""What was consumed, one row a request, kept as long as the operator wants."""

from __future__ import annotations

from django.db import models

from common import ids
from common.models import Versioned
from projects.models import Project, ProjectOwned
from usage.rules import Grain


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
    cost = models.BigIntegerField(default=0, help_text="Micro-units of the currency")
    caller_request_id = models.CharField(max_length=128, blank=True)
    slo_ttft_ms = models.FloatField("hoped-for TTFT", null=True)
    slo_tpot_ms = models.FloatField("hoped-for time per token", null=True)
    decision = models.JSONField(
        "why this worker", null=True, help_text="As in inference.contracts.decisions"
    )

    class Meta:
        db_table = "usage_record"
        ordering = ["-started_at", "-request_id"]
        verbose_name = "usage record"

    def __str__(self) -> str:
        return self.request_id


class UsageRollup(ProjectOwned):
    """Sums over a minute, an hour or a day, of one endpoint, key and model.

    Derived: added to in the transaction that records the requests, and rebuilt from the
    records at any time.
    """

    # Without an index of its own: it is the first column of the two below, which serve better.
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    grain = models.CharField("period", max_length=6, choices=Grain.choices)
    at = models.DateTimeField(help_text="When the step begins, UTC")
    endpoint = models.CharField(max_length=63)
    endpoint_id = models.CharField(max_length=32)
    key_id = models.CharField(max_length=32)
    model = models.CharField(max_length=80)
    requests = models.BigIntegerField(default=0)
    failures = models.BigIntegerField(default=0)
    left_early = models.BigIntegerField(default=0, help_text="Callers that left: no failures")
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    tokens_cached = models.BigIntegerField(default=0)
    cost = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-at"]
        verbose_name = "sum of usage"
        verbose_name_plural = "usage by hour and day"
        # The constraint's index begins alike, but is three times as wide.
        indexes = [models.Index(fields=["project", "grain", "at"], name="rollup_by_step")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "grain", "at", "endpoint_id", "key_id", "model"],
                name="rollup_is_one_sum",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grain} {self.at:%Y-%m-%d %H:%M}"


class RefusalRollup(ProjectOwned):
    """How often requests were refused in a step: of one endpoint, key and code.

    Such requests were never admitted, so they have no record. ``endpoint`` and ``key_id`` are
    empty where nobody knows them for sure.
    """

    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    grain = models.CharField("period", max_length=6, choices=Grain.choices)
    at = models.DateTimeField(help_text="When the step begins, UTC")
    endpoint = models.CharField(max_length=63, blank=True)
    key_id = models.CharField(max_length=32, blank=True)
    code = models.CharField(max_length=40)
    count = models.BigIntegerField()

    class Meta:
        ordering = ["-at"]
        verbose_name = "sum of refusals"
        verbose_name_plural = "refusals"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "grain", "at", "endpoint", "key_id", "code"],
                name="refusals_are_one_sum",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} × {self.code}"


class RefusedCall(ProjectOwned):
    """One of the last refused requests of a project and code, to be found by either id."""

    request_id = models.CharField(max_length=48, primary_key=True)
    caller_request_id = models.CharField(max_length=128, blank=True, db_index=True)
    at = models.DateTimeField()
    endpoint = models.CharField(max_length=63, blank=True)
    key_id = models.CharField(max_length=32, blank=True)
    operation = models.CharField(max_length=40, blank=True)
    code = models.CharField(max_length=40)
    status = models.PositiveSmallIntegerField()
    message = models.CharField(max_length=240, blank=True)

    class Meta:
        ordering = ["-at", "-request_id"]
        verbose_name = "refused request"
        indexes = [models.Index(fields=["project", "code", "-at"], name="refused_by_code")]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.code}"


class RefusalBatchSeen(models.Model):
    """That a gateway's batch of refusals was counted: told again, it changes nothing."""

    batch_id = models.CharField(max_length=40, primary_key=True)
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.batch_id


class BudgetScope(models.TextChoices):
    """What a budget watches."""

    PROJECT = "project"
    ENDPOINT = "endpoint"
    KEY = "key"


class Budget(ProjectOwned, Versioned):
    """What a project, an endpoint or a key may cost in a UTC month.

    It warns at 50, 75, 90 and 100 %; an enforced one is a ceiling. It is changed in place, and
    ``version`` says which is newer; ``ended_at`` lifts it.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.budget_id, editable=False)
    scope = models.CharField(max_length=12, choices=BudgetScope.choices)
    subject_id = models.CharField(max_length=32, help_text="proj_…, ep_… or key_…")
    amount = models.PositiveBigIntegerField(help_text="Micro-units a month")
    is_enforced = models.BooleanField("enforced", default=False)
    set_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["scope", "subject_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "scope", "subject_id"], name="one_budget_for_a_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject_id}"


class BudgetNotice(ProjectOwned):
    """That somebody was told of a threshold: once for each in a month."""

    budget = models.ForeignKey(Budget, models.CASCADE, related_name="notices")
    month = models.DateField()
    percent = models.PositiveSmallIntegerField()
    spent = models.BigIntegerField()
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-sent_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "month", "percent"], name="threshold_is_told_once_a_month"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % in {self.month:%Y-%m}"


class StreamMark(models.Model):
    """Up to which entry a shard's usage stream has become records, as its id's two numbers.

    Written with the records: if Valkey loses everything, its streams go on above this.
    """

    shard = models.PositiveSmallIntegerField(primary_key=True)
    milliseconds = models.BigIntegerField()
    sequence = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"


class Restoration(models.Model):
    """That Valkey was found empty, in part at least, and its counters were about to be put back.

    Written before PostgreSQL is read for it: who read an event before this and has not recorded
    it yet can tell, and hands it to Valkey again.
    """

    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}"


class PoisonEvent(models.Model):
    """An event that could not become a usage record: set aside whole, never dropped."""

    stream = models.CharField(max_length=40)
    entry_id = models.CharField(max_length=40)
    body = models.TextField()
    reason = models.CharField(max_length=400)
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "unreadable usage event"
        constraints = [
            models.UniqueConstraint(fields=["stream", "entry_id"], name="poison_is_kept_once"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.entry_id}"
