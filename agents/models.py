"""Machines that serve models. Until the fleet arrives: servers known by their URL."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from catalog.rules import NAME_MAX
from common import ids
from common.models import Versioned
from projects.models import Project


class WorkerState(models.TextChoices):
    """Whether a worker takes work."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class CacheScope(models.TextChoices):
    """Whose prompts an engine's prefix cache may join: what an operator says of a worker."""

    NONE = "none", "Nobody's: nothing is reused"
    PROJECT = "project", "One project's: prompts are never reused for another"
    PLATFORM = "platform", "Everyone's: prompts are reused across projects"


class Worker(Versioned):
    """An OpenAI-compatible server, reached by its URL.

    Without a ``project`` it is the operator's and shared: it serves the endpoints of every
    tier it carries (``tiers``, slugs). With one it is that project's own, and serves nobody
    else. Project and model are for life: the versions of pools are sums over their rows.

    ``model_name`` is a name of the catalog, kept as text: what a machine says it serves
    wins over what we remember. ``served_name`` is what the server itself calls the model: where it
    is set, the gateway writes it into each body in place of the caller's.
    ``credential`` is sealed with the platform's keyring and never shown.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.worker_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose own machine it is. Empty: the operator's, shared by everyone",
    )
    tiers = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    url = models.CharField(
        "URL", max_length=400, help_text="Base of its OpenAI surface, ends with /v1"
    )
    model_name = models.CharField(max_length=NAME_MAX, db_index=True)
    served_name = models.CharField(max_length=200, blank=True)
    operations = ArrayField(models.CharField(max_length=40), default=list)
    credential = models.TextField(blank=True, editable=False)
    slots = models.PositiveIntegerField(null=True, blank=True, help_text="Requests at once")
    engine = models.CharField(max_length=24, blank=True, help_text="What kind of program it is")
    context_length = models.PositiveIntegerField(null=True, blank=True)
    cache_scope = models.CharField(
        "prefix cache",
        max_length=16,
        choices=CacheScope.choices,
        default=CacheScope.NONE,
        help_text="Whose prompts the engine may reuse. Where it is everyone's, a tenant can "
        "find out by trying, word by word, whether another one sent the same beginning",
    )
    state = models.CharField(max_length=16, choices=WorkerState.choices, default=WorkerState.ACTIVE)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WorkerShift(models.Model):
    """A time in which a project's own worker was live, for agent-hours.

    ``billed_until`` is the moment up to which its started hours stand in the ledger.
    """

    worker = models.ForeignKey(Worker, models.PROTECT, related_name="shifts")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    billed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker"],
                condition=models.Q(ended_at=None),
                name="worker_is_in_one_shift",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} from {self.began_at}"
