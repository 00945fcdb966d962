"""What callers may say about backends, and what they may read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.backends import CREDENTIAL_MAX, SLOTS_MAX
from agents.chosen import CHOSEN_MAX
from agents.models import NAME_LENGTH
from agents.sightings import Health, joined
from catalog.rules import NAME_MAX
from common.rest import StrictSerializer

if TYPE_CHECKING:
    from agents.models import Backend

STATES = ("active", "paused")
URL_MAX = 400


class CredentialField(serializers.CharField):
    """What a server wants as bearer: kept sealed, never shown, and without a line's end."""

    def __init__(self, **how: Any) -> None:
        super().__init__(max_length=CREDENTIAL_MAX, write_only=True, **how)

    def to_internal_value(self, data: Any) -> str:
        """Refuse what can't stand in a header."""
        said: str = super().to_internal_value(data)
        if not (said.isascii() and said.isprintable()):
            raise serializers.ValidationError("A credential is plain letters, digits and signs.")
        return said


class ChosenField(serializers.DictField):
    """Which of a server's models it shall serve: its name for each → ours."""

    child = serializers.CharField(max_length=NAME_MAX)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Refuse far too many."""
        said: dict[str, str] = super().to_internal_value(data)
        if len(said) > CHOSEN_MAX:
            raise serializers.ValidationError(f"Choose {CHOSEN_MAX} models at most.")
        return said


class QuestionIn(StrictSerializer):
    """A server that is to be asked what it serves."""

    url = serializers.CharField(
        max_length=URL_MAX, help_text="The base of its OpenAI surface; most end with `/v1`"
    )
    credential = CredentialField(default="", allow_blank=True)


class BackendIn(QuestionIn):
    """What a caller may say about a new backend."""

    name = serializers.CharField(max_length=NAME_LENGTH)
    models = ChosenField(help_text="Its name for each model it shall serve → a name of the catalog")
    slots = serializers.IntegerField(
        min_value=1,
        max_value=SLOTS_MAX,
        default=None,
        allow_null=True,
        help_text="Requests of a model at once from each gateway; null: any number",
    )


class BackendPatch(StrictSerializer):
    """What may change of a backend. Its URL is for life, so that no credential goes elsewhere."""

    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    models = ChosenField(required=False)
    slots = serializers.IntegerField(
        min_value=1, max_value=SLOTS_MAX, required=False, allow_null=True
    )
    state = serializers.ChoiceField(STATES, required=False)


class RekeyIn(StrictSerializer):
    """Another credential."""

    credential = CredentialField(allow_blank=True, help_text="Empty: it wants none any more")


class FoundModelOut(serializers.Serializer[Any]):
    """A model a server said it serves."""

    name = serializers.CharField(help_text="What the server calls it")
    context_length = serializers.IntegerField(allow_null=True)
    model = serializers.CharField(
        allow_null=True, help_text="The model of the catalog with that name; null: it has none"
    )


class FoundOut(serializers.Serializer[Any]):
    """What a server answered when it was asked."""

    object = serializers.ChoiceField(["backend.answer"], default="backend.answer", read_only=True)
    url = serializers.CharField(help_text="Where it answers: perhaps below what was asked")
    operations = serializers.ListField(child=serializers.CharField())
    models = FoundModelOut(many=True)


class HealthOut(serializers.Serializer[Any]):
    """What gateways see of a backend."""

    is_seen = serializers.BooleanField(help_text="A gateway looks after it")
    is_out = serializers.BooleanField(help_text="No gateway would send it a request now")
    answered_at = serializers.DateTimeField(allow_null=True, help_text="Its last answer to a probe")
    running = serializers.IntegerField(help_text="Requests it has now")
    heard = serializers.CharField(help_text="Its last answer's status, or why there was none")


class ServedModelOut(serializers.Serializer[Any]):
    """A model a backend was chosen to serve."""

    name = serializers.CharField(help_text="What the server calls it")
    model = serializers.CharField(help_text="Its name in the catalog")
    worker = serializers.CharField(allow_null=True)
    is_served = serializers.BooleanField(help_text="It may be asked now")


class BackendOut(serializers.Serializer[Any]):
    """What a caller may read of a backend."""

    object = serializers.ChoiceField(["backend"], default="backend", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    url = serializers.CharField()
    has_credential = serializers.SerializerMethodField(help_text="It is never shown")
    state = serializers.ChoiceField(STATES)
    slots = serializers.IntegerField(allow_null=True)
    operations = serializers.ListField(child=serializers.CharField())
    models = serializers.SerializerMethodField()
    found = serializers.SerializerMethodField(help_text="What it said it serves, last asked")
    health = serializers.SerializerMethodField()
    added_at = serializers.DateTimeField()
    asked_at = serializers.DateTimeField()

    @extend_schema_field(serializers.BooleanField())
    def get_has_credential(self, backend: Backend) -> bool:
        """Say whether there is one."""
        return bool(backend.credential)

    @extend_schema_field(ServedModelOut(many=True))
    def get_models(self, backend: Backend) -> list[dict[str, Any]]:
        """Return what was chosen, and which workers came of it."""
        rows = {(row.served_name, row.model_name): row for row in backend.workers.all()}
        return [_served(name, model, rows) for name, model in sorted(backend.chosen.items())]

    @extend_schema_field(FoundModelOut(many=True))
    def get_found(self, backend: Backend) -> list[dict[str, Any]]:
        """Return what it said."""
        return found_models(backend.found, self.context["names"])

    @extend_schema_field(HealthOut)
    def get_health(self, backend: Backend) -> dict[str, Any]:
        """Return what is seen of its workers together."""
        shown: dict[str, Any] = HealthOut(health_of(backend, self.context["health"])).data
        return shown


def found_models(found: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return what a server said it serves, each with the catalog's model of that name."""
    by_name = {name.lower(): name for name in names}
    return [
        {
            "name": one["name"],
            "context_length": one["context_length"],
            "model": by_name.get(one["name"].lower()),
        }
        for one in found
    ]


def health_of(backend: Backend, health: dict[str, Health]) -> Health:
    """Return what is seen of a backend's workers that serve."""
    serving = [row.public_id for row in backend.workers.all() if row.is_offered]
    return joined(health[one] for one in serving if one in health)


def _served(name: str, model: str, rows: dict[tuple[str, str], Any]) -> dict[str, Any]:
    row = rows.get((name, model))
    return {
        "name": name,
        "model": model,
        "worker": row.public_id if row else None,
        "is_served": row is not None and row.is_offered and row.state == "active",
    }
