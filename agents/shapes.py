"""What callers may say about agents, and what they may read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.lifecycle import REASON_MAX
from agents.rules import COUNT_MAX, SHOWN_STATES, shown_state, text
from common.rest import StrictSerializer

if TYPE_CHECKING:
    from agents.models import Agent
    from inference.contracts.agents import LinkReport


class AgentPatch(StrictSerializer):
    """What may change of an agent. ``active`` approves one that waits, and resumes a suspended.

    ``draining`` has one that works finish what runs and end; it is active when it comes back.
    """

    state = serializers.ChoiceField(["active", "suspended", "draining"])
    reason = serializers.CharField(
        max_length=REASON_MAX, required=False, allow_blank=True, help_text="Why it is suspended"
    )


class ServedOut(serializers.Serializer[Any]):
    """A model a machine says it has."""

    name = serializers.CharField(help_text="What the machine calls it")
    status = serializers.CharField()
    model = serializers.CharField(
        allow_null=True, help_text="Its name in the catalog; null: the catalog has none such"
    )
    worker = serializers.CharField(allow_null=True, help_text="The worker that serves it")
    context_length = serializers.IntegerField(allow_null=True)


class LoadOut(serializers.Serializer[Any]):
    """What a machine is doing now, by its own word."""

    slots = serializers.IntegerField(allow_null=True)
    running = serializers.IntegerField()
    waiting = serializers.IntegerField()
    kv = serializers.FloatField(allow_null=True, help_text="Share of the KV cache in use, 0 to 1")
    tokens_per_s = serializers.FloatField()


class AgentOut(serializers.Serializer[Any]):
    """What a caller may read of an agent."""

    object = serializers.ChoiceField(["agent"], default="agent", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    reason = serializers.CharField(help_text="Why it is in this state, if somebody said so")
    fingerprint = serializers.CharField(help_text="SHA-256 of its public key, the first half")
    region = serializers.CharField()
    tiers = serializers.ListField(child=serializers.CharField())
    version = serializers.SerializerMethodField(help_text="Of the agent program")
    engine = serializers.SerializerMethodField(help_text="What serves its models")
    is_draining = serializers.SerializerMethodField(help_text="It takes nothing new, by itself")
    models = serializers.SerializerMethodField()
    load = serializers.SerializerMethodField(help_text="Null while it has no link")
    links = serializers.SerializerMethodField(help_text="How many gateways it has a link to")
    facts = serializers.DictField(help_text="What the machine says of itself")
    drain_asked_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it is to finish what runs and end; null: it is not"
    )
    enrolled_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(serializers.ChoiceField(SHOWN_STATES))
    def get_state(self, agent: Agent) -> str:
        """Return what people decided, and whether it is there."""
        return shown_state(agent.state, is_linked=agent.is_linked, is_dead=agent.is_dead)

    @extend_schema_field(serializers.CharField())
    def get_version(self, agent: Agent) -> str:
        """Return what it says, if that is a text."""
        return text(agent.reported.get("xim"))

    @extend_schema_field(serializers.CharField())
    def get_engine(self, agent: Agent) -> str:
        """Return its kind."""
        engine = agent.reported.get("engine")
        return text(engine.get("kind")) if isinstance(engine, dict) else ""

    @extend_schema_field(serializers.BooleanField())
    def get_is_draining(self, agent: Agent) -> bool:
        """Say whether it does."""
        return agent.reported.get("drain") is True

    @extend_schema_field(ServedOut(many=True))
    def get_models(self, agent: Agent) -> list[dict[str, Any]]:
        """Return what it reported last, and which workers came of it."""
        rows = {row.served_name: row for row in agent.workers.all()}
        return [_served(one, rows.get(one["name"])) for one in agent.reported.get("models", [])]

    @extend_schema_field(LoadOut(allow_null=True))
    def get_load(self, agent: Agent) -> dict[str, Any] | None:
        """Return what its freshest link says."""
        reports = self._reports(agent)
        return load_of(reports[0]) if reports else None

    @extend_schema_field(serializers.IntegerField())
    def get_links(self, agent: Agent) -> int:
        """Count them."""
        return len(self._reports(agent))

    def _reports(self, agent: Agent) -> list[LinkReport]:
        found: list[LinkReport] = self.context["links"].get(agent.public_id, [])
        return found


class AgentEventOut(serializers.Serializer[Any]):
    """Something that happened to an agent."""

    object = serializers.ChoiceField(["agent.event"], default="agent.event", read_only=True)
    id = serializers.CharField(source="public_id")
    at = serializers.DateTimeField()
    what = serializers.CharField(help_text="`linked`, `lost`, `dead`, or what somebody decided")
    detail = serializers.CharField()
    by = serializers.CharField(help_text="Who; empty: it happened by itself")


def load_of(report: LinkReport) -> dict[str, Any]:
    """Return the load in a report, each figure of its kind or none: it is a machine's word."""
    state = report.state
    return {
        "slots": _number(state.get("slots")),
        "running": int(_number(state.get("running")) or 0),
        "waiting": int(_number(state.get("waiting")) or 0),
        "kv": _number(state.get("kv")),
        "tokens_per_s": float(_number(state.get("tokens_per_s")) or 0),
    }


def _served(one: dict[str, Any], row: Any) -> dict[str, Any]:
    return {
        "name": one["name"],
        "status": text(one.get("status")),
        "model": row.model_name if row is not None else None,
        "worker": row.public_id if row is not None else None,
        "context_length": row.context_length if row is not None else None,
    }


def _number(value: Any) -> float | int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= COUNT_MAX else None  # NaN is in no range.
