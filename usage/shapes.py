"""What a caller may ask of usage, and what it gets to read."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.rest.inputs import DEFAULT_LIMIT, MAX_LIMIT, StrictSerializer
from common.rest.money import CurrencyField
from inference.contracts.decisions import FACTS
from usage.models import BudgetScope
from usage.rules import Grain
from usage.selectors import Filter


class UsageQuery(StrictSerializer):
    """Which records are meant. Without ``since`` and ``until``: all of them."""

    since = serializers.DateTimeField(required=False, help_text="From this moment on (RFC 3339)")
    until = serializers.DateTimeField(required=False, help_text="Before this moment")
    endpoint = serializers.CharField(required=False, max_length=63, help_text="Slug")
    key_id = serializers.CharField(required=False, max_length=32)
    model = serializers.CharField(required=False, max_length=80)
    failed_only = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        if "since" in attrs and "until" in attrs and attrs["until"] <= attrs["since"]:
            raise serializers.ValidationError({"until": ["Choose a moment after since."]})
        return attrs


class RecordsQuery(UsageQuery):
    """One page of records, newest first."""

    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    after = serializers.CharField(
        required=False, max_length=48, help_text="Id of the record before the first"
    )


class SeriesQuery(UsageQuery):
    """A time series."""

    step = serializers.ChoiceField(Grain.choices, default=Grain.HOUR)


class ExportQuery(UsageQuery):
    """All records, streamed."""

    format = serializers.ChoiceField(["csv", "jsonl"], default="jsonl")


class SummaryOut(serializers.Serializer[Any]):
    """Sums. Money is integer micro-units of the currency."""

    object = serializers.ChoiceField(["usage.summary"], default="usage.summary")
    requests = serializers.IntegerField()
    failures = serializers.IntegerField(
        help_text="Failed by us, a worker or a limit; callers that left are none"
    )
    left_early = serializers.IntegerField(help_text="Callers that left before their answer ended")
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    tokens_cached = serializers.IntegerField()
    cost = serializers.IntegerField(help_text="Micro-units of the currency")
    currency = CurrencyField()
    ttft_p50_ms = serializers.FloatField(allow_null=True, help_text="Time to first token, streams")
    ttft_p95_ms = serializers.FloatField(allow_null=True)
    ttft_p99_ms = serializers.FloatField(allow_null=True)
    latency_avg_ms = serializers.FloatField(allow_null=True)


class PointOut(serializers.Serializer[Any]):
    """One step of a time series."""

    at = serializers.DateTimeField()
    requests = serializers.IntegerField()
    failures = serializers.IntegerField()
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost = serializers.IntegerField(help_text="Micro-units of the currency")
    currency = CurrencyField()


def _decision_out() -> type[serializers.Serializer[Any]]:
    facts = {
        name: serializers.IntegerField(default=None, allow_null=True, help_text=means)
        for name, means in FACTS.items()
    }
    what = "What was known when a worker was chosen; a fact is null where it was not kept yet."
    return type("DecisionOut", (serializers.Serializer,), {"__doc__": what, **facts})


DecisionOut = _decision_out()


class RecordOut(serializers.Serializer[Any]):
    """One request."""

    object = serializers.ChoiceField(["usage.record"], default="usage.record")
    id = serializers.CharField(source="request_id")
    started_at = serializers.DateTimeField()
    endpoint = serializers.CharField()
    model = serializers.CharField()
    key_id = serializers.CharField()
    worker_id = serializers.CharField()
    operation = serializers.CharField()
    streamed = serializers.BooleanField()
    status = serializers.IntegerField()
    ending = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment] # why: a field, and DRF has such an attribute
        help_text="measured, estimated or absent"
    )
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    tokens_cached = serializers.IntegerField()
    cost = serializers.IntegerField(help_text="Micro-units of the currency")
    currency = CurrencyField()
    tier = serializers.CharField()
    terms_number = serializers.IntegerField(
        help_text="Version of the tier's terms it was billed on"
    )
    ttft_ms = serializers.FloatField(allow_null=True, help_text="Of streams only")
    latency_ms = serializers.FloatField()
    caller_request_id = serializers.CharField()
    slo_ttft_ms = serializers.FloatField(allow_null=True, help_text="What the caller hoped for")
    slo_tpot_ms = serializers.FloatField(allow_null=True)
    decision = DecisionOut(allow_null=True, help_text="Null where no worker was asked")


class BudgetIn(StrictSerializer):
    """A budget for a project, an endpoint or a key."""

    scope = serializers.ChoiceField(BudgetScope.choices)
    subject = serializers.CharField(
        required=False, max_length=32, help_text="ep_… or key_…; of a project it is the project"
    )
    amount = serializers.IntegerField(
        min_value=1, max_value=10**15, help_text="Micro-units a UTC month"
    )
    enforced = serializers.BooleanField(
        default=False, help_text="Refuse requests beyond it, rather than only tell"
    )


class BudgetPatch(StrictSerializer):
    """What may change; what is left out stays."""

    amount = serializers.IntegerField(min_value=1, max_value=10**15, required=False)
    enforced = serializers.BooleanField(required=False)


class BudgetOut(serializers.Serializer[Any]):
    """A budget and how far it is used up this UTC month. Money is integer micro-units."""

    object = serializers.ChoiceField(["budget"], default="budget")
    id = serializers.CharField(source="budget.public_id")
    scope = serializers.ChoiceField(BudgetScope.choices, source="budget.scope")
    subject = serializers.CharField(source="budget.subject_id")
    amount = serializers.IntegerField(source="budget.amount")
    enforced = serializers.BooleanField(source="budget.is_enforced")
    spent = serializers.IntegerField()
    currency = CurrencyField()
    percent = serializers.IntegerField(help_text="Whole per cent, rounded down")
    set_at = serializers.DateTimeField(source="budget.set_at")


FILTERS = ("since", "until", "endpoint", "key_id", "model", "failed_only")


def filter_of(asked: dict[str, Any]) -> Filter:
    """Return the filter a validated query means."""
    return Filter(**{name: asked[name] for name in FILTERS if name in asked})
