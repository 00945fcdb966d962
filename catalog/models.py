"""What can be deployed, and on which terms."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower

from catalog import terms
from catalog.rules import NAME, NAME_MAX
from common import ids
from common.models import Versioned


class Task(models.TextChoices):
    """What a model does. The values are public API."""

    GENERATE = "generate", "Generate text"
    EMBED = "embed", "Embed text"
    SCORE = "score", "Score pairs"


class CatalogModel(Versioned):
    """A model everyone may deploy, with what one wants to know before doing so.

    ``defaults`` are request fields that are set only where a caller sent none.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.model_id, editable=False)
    name = models.CharField(
        max_length=NAME_MAX,
        unique=True,
        validators=[RegexValidator(NAME, "Use letters, digits and . _ : @ + / - only.")],
        help_text="As the world writes it: llama-3.1-8b-instruct, Org/Name-7B",
    )
    title = models.CharField(max_length=120)
    summary = models.CharField(max_length=240, blank=True)
    card = models.TextField(blank=True, help_text="Markdown")
    task = models.CharField(max_length=16, choices=Task.choices)
    family = models.CharField(max_length=60, blank=True)
    licence = models.CharField(max_length=60, blank=True)
    parameters = models.CharField(max_length=24, blank=True, help_text="For people: 135M, 7B")
    size_bytes = models.PositiveBigIntegerField(default=0)
    context_length = models.PositiveIntegerField(null=True, blank=True)
    dimensions = models.PositiveIntegerField(null=True, blank=True, help_text="Of embeddings")
    formats = ArrayField(models.CharField(max_length=24), default=list, blank=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    capabilities = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    defaults = models.JSONField(default=dict, blank=True)
    is_listed = models.BooleanField("listed", default=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]
        verbose_name = "catalog model"
        constraints = [
            models.UniqueConstraint(Lower("name"), name="model_name_is_unique_in_any_case"),
            models.CheckConstraint(
                condition=models.Q(name__regex=NAME), name="model_name_is_well_formed"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Accelerator(models.TextChoices):
    """Kinds of accelerator, as machines report them."""

    CUDA = "cuda", "NVIDIA (CUDA)"
    ROCM = "rocm", "AMD (ROCm)"
    XPU = "xpu", "Intel (XPU)"


class ServiceTier(models.Model):
    """A class of service an endpoint runs on. Its numbers are its ``TierTerms``."""

    slug = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=240, blank=True)
    rank = models.PositiveIntegerField(default=0, help_text="Order in lists")
    is_offered = models.BooleanField("offered", default=True)
    is_self_hosted = models.BooleanField(
        "self-hosted",
        default=False,
        help_text="Served by machines of the project itself, and never by shared ones",
    )
    is_preemptible = models.BooleanField("preemptible", default=False)
    accelerator = models.CharField(
        max_length=8,
        blank=True,
        choices=Accelerator.choices,
        help_text="What a machine that joined has to report to serve it. Empty: nothing",
    )

    class Meta:
        ordering = ["rank", "slug"]

    def __str__(self) -> str:
        return self.slug


class TierTerms(models.Model):
    """The numbers of a tier from a moment on. Never changed: a new row supersedes.

    Limits are per endpoint; an empty one is unlimited. Prices are integer micro-units of
    the currency: per million tokens, or per agent-hour. A request is billed on the terms
    in force when it began.
    """

    tier = models.ForeignKey(ServiceTier, models.PROTECT, related_name="terms")
    number = models.PositiveIntegerField("version")
    effective_from = models.DateTimeField()
    price_per_million = models.PositiveBigIntegerField(default=0)
    price_per_agent_hour = models.PositiveBigIntegerField(default=0)
    cached_percent = models.PositiveSmallIntegerField(default=25)
    tokens_per_min = models.PositiveBigIntegerField(null=True, blank=True)
    requests_per_min = models.PositiveBigIntegerField(null=True, blank=True)
    monthly_tokens = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Allowance per project and UTC month"
    )
    max_model_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    concurrent = models.PositiveIntegerField()
    request_timeout_s = models.PositiveIntegerField()
    idle_timeout_s = models.PositiveIntegerField()
    priority = models.PositiveSmallIntegerField()
    max_endpoints = models.PositiveIntegerField(null=True, blank=True)
    max_models = models.PositiveIntegerField(null=True, blank=True)
    begun_at = models.DateTimeField(
        "in force since",
        null=True,
        blank=True,
        editable=False,
        help_text="When the data plane was told",
    )

    class Meta:
        ordering = ["tier", "-number"]
        verbose_name = "version of price and limits"
        verbose_name_plural = "price and limits, all versions"
        constraints = [
            models.UniqueConstraint(fields=["tier", "number"], name="terms_number_is_unique"),
            models.UniqueConstraint(
                fields=["tier", "effective_from"], name="terms_begin_at_one_moment"
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.number}"

    @property
    def largest_model(self) -> str:
        """Say how large a model may be: ``48 GB``."""
        return terms.BY_NAME["max_model_bytes"].show(self.max_model_bytes)
