"""What callers and machines may say when one joins, and what they may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.rules import fault_in_facts
from common import clock
from common.rest import StrictSerializer
from enrolment import proofs, rules

if TYPE_CHECKING:
    from enrolment.models import JoinKey

STATES = ("open", "revoked", "expired", "used_up")


class JoinKeyIn(StrictSerializer):
    """What a caller may say about a new join key."""

    name = serializers.CharField(max_length=rules.NAME_MAX)
    region = serializers.CharField(max_length=40, default="", allow_blank=True)
    name_pattern = serializers.CharField(
        max_length=rules.PATTERN_MAX,
        default="",
        allow_blank=True,
        help_text="Machines must be named so; `*` and `?` stand for what may be there",
    )
    needs_approval = serializers.BooleanField(
        default=False, help_text="Machines wait until an admin approves them"
    )
    uses_max = serializers.IntegerField(
        min_value=1,
        max_value=rules.USES_MAX,
        default=1,
        allow_null=True,
        help_text="How many machines it lets in; null: any number",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class BroughtOut(serializers.Serializer[Any]):
    """A machine that came with a join key."""

    agent = serializers.CharField(source="agent.public_id")
    name = serializers.CharField(source="agent.name")
    at = serializers.DateTimeField()
    address = serializers.CharField(help_text="From where it came")


class JoinKeyOut(serializers.Serializer[Any]):
    """What a caller may read of a join key."""

    object = serializers.ChoiceField(["join_key"], default="join_key", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    hint = serializers.CharField(help_text="Its beginning and end")
    state = serializers.SerializerMethodField()
    region = serializers.CharField()
    name_pattern = serializers.CharField()
    needs_approval = serializers.BooleanField()
    uses_max = serializers.IntegerField(allow_null=True)
    uses = serializers.IntegerField()
    agents = BroughtOut(many=True, source="uses_made.all", help_text="Who came with it")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, key: JoinKey) -> str:
        """Say whether it lets machines in, or why not."""
        return key.state(clock.now())


class IssuedJoinKeyOut(JoinKeyOut):
    """A join key with its secret, which is shown this once; null when the answer is repeated."""

    secret = serializers.CharField(allow_null=True, read_only=True)


class PublicKeyField(serializers.CharField):
    """A raw Ed25519 public key, base64url without padding."""

    def __init__(self) -> None:
        super().__init__(max_length=43, min_length=43)

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no such key."""
        text: str = super().to_internal_value(data)
        if not proofs.is_key(text):
            raise serializers.ValidationError("Give 32 bytes as base64url without padding.")
        return text


class FactsField(serializers.DictField):
    """What a machine says of itself: JSON of some kilobytes, believed by nobody."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Refuse what is too long to keep, or can't be."""
        facts: dict[str, Any] = super().to_internal_value(data)
        fault = fault_in_facts(facts)
        if fault:
            raise serializers.ValidationError(fault)
        return facts


class EnrolIn(StrictSerializer):
    """What a machine says that wants to join."""

    join_key = serializers.CharField(max_length=128)
    public_key = PublicKeyField()
    proof = serializers.CharField(
        max_length=86, help_text="Signature of the SHA-256 of the join key, behind a label"
    )
    name = serializers.CharField(max_length=rules.NAME_MAX, required=False, allow_blank=True)
    xim_version = serializers.CharField(max_length=40, required=False, allow_blank=True)
    facts = FactsField(default=dict)


class ProofIn(StrictSerializer):
    """What an enrolled machine says to prove itself."""

    agent = serializers.CharField(max_length=32)
    public_key = PublicKeyField()
    time = serializers.FloatField(help_text="Unix seconds by the machine's clock")
    signature = serializers.CharField(max_length=86)


class SelfOut(serializers.Serializer[Any]):
    """What a machine is told of itself."""

    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    state = serializers.CharField()
    project = serializers.CharField(source="project.public_id", default=None, allow_null=True)


class TokenOut(serializers.Serializer[Any]):
    """A token, and what a machine needs beside it."""

    agent = SelfOut()
    token = serializers.CharField(source="token.text")
    expires_at = serializers.IntegerField(source="token.expires_at", help_text="Unix seconds")
    tunnel = serializers.CharField(help_text="Where its links lead")
    server_time = serializers.FloatField(help_text="Unix seconds by the platform's clock")
