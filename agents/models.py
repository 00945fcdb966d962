"""Machines that serve models. Until the fleet arrives: servers known by their URL."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from common import ids
from common.models import Versioned


class WorkerState(models.TextChoices):
    """Whether a worker takes work."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Worker(Versioned):
    """An OpenAI-compatible server shared by everyone, reached by its URL.

    ``model_name`` is a name of the catalog, kept as text: what a machine says it serves
    wins over what we remember. ``served_name`` is what the server itself calls the model.
    ``credential`` is sealed with the platform's keyring and never shown.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.worker_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    url = models.CharField(
        "URL", max_length=400, help_text="Base of its OpenAI surface, ends with /v1"
    )
    model_name = models.CharField(max_length=80, db_index=True)
    served_name = models.CharField(max_length=200, blank=True)
    operations = ArrayField(models.CharField(max_length=40), default=list)
    credential = models.TextField(blank=True, editable=False)
    slots = models.PositiveIntegerField(null=True, blank=True, help_text="Requests at once")
    state = models.CharField(max_length=16, choices=WorkerState.choices, default=WorkerState.ACTIVE)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
