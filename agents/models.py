"""Machines that serve models: agents, which dial out, and workers, one for each model served."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from catalog.rules import NAME_MAX
from common import ids
from common.models import Versioned
from projects.models import Project, ProjectOwned

NAME_LENGTH = 80


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


class AgentState(models.TextChoices):
    """What people decided of an agent. Whether it is there now is another question."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Agent(Versioned):
    """A machine that enrolled with a key of its own and dials out to the gateways.

    Without a ``project`` it is the operator's and serves the tiers it carries, like a worker.
    ``public_key`` is the raw Ed25519 key in base64url: made on the machine, and proven by it on
    every link. ``facts`` and ``reported`` are what the machine says of itself (``reported`` is
    the last state a gateway heard, without the facts), so nothing in them is trusted.
    ``is_linked``: a gateway had a link to it when that was last looked at. ``drain_asked_at``:
    since when it is to finish what runs and end; nothing once it has gone, or came back.
    """

    HIDES_THE_PLATFORMS: ClassVar = True
    """A tenant's role sees no row without a project."""

    public_id = models.CharField(max_length=32, unique=True, default=ids.agent_id, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    project = models.ForeignKey(
        Project, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    tiers = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    region = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=16, choices=AgentState.choices)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is in this state")
    public_key = models.CharField(max_length=43, unique=True, editable=False)
    facts = models.JSONField(default=dict, blank=True, editable=False)
    reported = models.JSONField(default=dict, blank=True, editable=False)
    enrolled_at = models.DateTimeField(editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)
    drain_asked_at = models.DateTimeField(null=True, editable=False)
    is_linked = models.BooleanField(default=False, editable=False)
    is_dead = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["project", "-id"], name="agent_newest_in_project")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=~models.Q(state="retired"),
                nulls_distinct=False,
                name="agent_live_name_is_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of its key as people compare it: eight groups of four."""
        digest = hashlib.sha256(urlsafe_b64decode(self.public_key + "=")).hexdigest()
        return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


class AgentEvent(models.Model):
    """Something that happened to an agent, as its page tells it."""

    public_id = models.CharField(
        max_length=32, unique=True, default=ids.agent_event_id, editable=False
    )
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    what = models.CharField(max_length=24)
    detail = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=200, blank=True, help_text="Who; empty: it happened by itself")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["agent", "-id"], name="agent_newest_event")]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.what}"


class BackendState(models.TextChoices):
    """What people decided of a backend."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Backend(ProjectOwned, Versioned):
    """An OpenAI-compatible server at a URL that a project typed, for its own endpoints alone.

    ``url`` is for life, and so is the project: a credential never follows to another address.
    ``chosen`` are the models it shall serve, as ``{name it has for it: model of the catalog}``;
    each is a worker. ``found``: what it said it serves when it was last asked, which nobody vouches
    for. ``credential`` is sealed with the platform's keyring and never shown.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.backend_id, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    url = models.CharField("URL", max_length=400)
    credential = models.TextField(blank=True, editable=False)
    slots = models.PositiveIntegerField(null=True, blank=True)
    chosen = models.JSONField(default=dict)
    found = models.JSONField(default=list, editable=False)
    operations = ArrayField(models.CharField(max_length=40), default=list)
    state = models.CharField(
        max_length=16, choices=BackendState.choices, default=BackendState.ACTIVE
    )
    added_at = models.DateTimeField(editable=False)
    asked_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["project", "-id"], name="backend_newest_in_project")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=~models.Q(state="removed"),
                name="backend_living_name_is_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name


Machine = Agent | Backend
"""What has models, each of which becomes a worker."""


class Worker(Versioned):
    """One place that serves one model: a server, or a model of an agent or of a backend.

    Its address is a ``url``, an ``agent`` or a ``backend``, and only one of them. Without a
    ``project`` it is the operator's and shared: it serves the endpoints of every tier it carries
    (``tiers``, slugs). With one it is that project's own, and serves nobody else. Project and
    model are for life: the versions of pools are sums over their rows.

    ``model_name`` is a name of the catalog, kept as text: what a machine says it serves
    wins over what we remember. ``served_name`` is what the server itself calls the model: where it
    is set, the gateway writes it into each body in place of the caller's.
    ``credential`` is sealed with the platform's keyring and never shown.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.worker_id, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, blank=True, related_name="workers", editable=False
    )
    backend = models.ForeignKey(
        Backend, models.PROTECT, null=True, blank=True, related_name="workers", editable=False
    )
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
        "URL", max_length=400, blank=True, help_text="Base of its OpenAI surface, ends with /v1"
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
    region = models.CharField(max_length=40, blank=True, help_text="Where it is, as in eu-west")
    state = models.CharField(max_length=16, choices=WorkerState.choices, default=WorkerState.ACTIVE)
    is_offered = models.BooleanField(
        default=True, editable=False, help_text="Its machine has it ready; a URL always has"
    )
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(agent=None, backend=None),
                name="worker_by_url_has_a_name_of_its_own",
            ),
            models.UniqueConstraint(
                fields=["agent", "served_name"],
                condition=~models.Q(agent=None),
                name="worker_is_one_for_each_model_of_an_agent",
            ),
            models.UniqueConstraint(
                fields=["backend", "served_name", "model_name"],
                condition=~models.Q(backend=None),
                name="worker_is_one_for_each_model_of_a_backend",
            ),
            models.CheckConstraint(
                condition=models.Q(agent=None, backend=None)
                | models.Q(url="", agent=None)
                | models.Q(url="", backend=None),
                name="worker_has_one_address",
            ),
        ]

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
