"""What callers may say about keys, and what they may read of them: allowlists, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from apikeys import rules
from apikeys.limits import LIMITS, Limit
from apikeys.rules import Scope
from common.rest import StrictSerializer


class KeyPatch(StrictSerializer):
    """What may change in a key's life; what is not said stays."""

    name = serializers.CharField(max_length=80, required=False)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(Scope.values), required=False, allow_empty=False, max_length=4
    )
    endpoint = serializers.CharField(
        max_length=63, required=False, allow_null=True, help_text="Slug the key is pinned to"
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class IpRule(serializers.CharField):
    """An address, or a range in CIDR form; v4 or v6."""

    def __init__(self) -> None:
        super().__init__(max_length=64)


class IpFilterIn(StrictSerializer):
    """From where a key may be used. An empty allow list allows everywhere; block wins."""

    allow = serializers.ListField(child=IpRule(), default=list, max_length=rules.MAX_RULES)
    block = serializers.ListField(child=IpRule(), default=list, max_length=rules.MAX_RULES)


def _limit_in(limit: Limit) -> type[StrictSerializer]:
    figures = {
        figure.name: serializers.IntegerField(min_value=1, max_value=figure.most)
        for figure in limit.figures
    }
    return type(_named(limit, "In"), (StrictSerializer,), {"__doc__": limit.what, **figures})


def _limit_out(limit: Limit) -> type[serializers.Serializer[Any]]:
    kind = serializers.CharField(default=limit.name, read_only=True)
    figures = {
        figure.name: serializers.IntegerField(source=figure.field, allow_null=True)
        for figure in limit.figures
    }
    said = {"__doc__": limit.shown, "object": kind, **figures}
    return type(_named(limit, "Out"), (serializers.Serializer,), said)


def _named(limit: Limit, way: str) -> str:
    return limit.name.title().replace("_", "") + way


LIMITS_IN = {limit.name: _limit_in(limit) for limit in LIMITS}
LIMITS_OUT = {limit.name: _limit_out(limit) for limit in LIMITS}


Fields = dict[str, serializers.Field[Any, Any, Any, Any]]


def _with_limits(
    fields: Fields, limits: Mapping[str, serializers.Field[Any, Any, Any, Any]]
) -> Fields:
    """Put a key's own limits behind its addresses."""
    names = list(fields)
    at = names.index("ip_filter") + 1
    before = {name: fields[name] for name in names[:at]}
    return {**before, **limits, **{name: fields[name] for name in names[at:]}}


class KeyIn(KeyPatch):
    """What a caller may say about a new key."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(Scope.values),
        default=[Scope.INFERENCE.value],
        allow_empty=False,
        max_length=4,
    )
    ip_filter = IpFilterIn(required=False)

    def get_fields(self) -> Fields:
        """Add its own limits."""
        limits = {name: shape(required=False, allow_null=True) for name, shape in LIMITS_IN.items()}
        return _with_limits(super().get_fields(), limits)


class RotateIn(StrictSerializer):
    """How long the secret of before goes on."""

    grace_s = serializers.IntegerField(
        min_value=0,
        max_value=int(rules.MAX_GRACE.total_seconds()),
        default=int(rules.DEFAULT_GRACE.total_seconds()),
        help_text="Seconds that the old secret goes on for",
    )


class SecretOut(serializers.Serializer[Any]):
    """What may be read of a secret: enough to recognise it by, and who still uses it."""

    hint = serializers.CharField()
    issued_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class IpFilterOut(serializers.Serializer[Any]):
    """A key's IP rules, in their one form."""

    object = serializers.CharField(default="ip_filter", read_only=True)
    allow = serializers.ListField(child=serializers.CharField(), source="ip_allow")
    block = serializers.ListField(child=serializers.CharField(), source="ip_block")


class KeyOut(serializers.Serializer[Any]):
    """What a caller may read of a key. A field is private until it is named here."""

    object = serializers.CharField(default="api_key", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.values))
    endpoint = serializers.CharField(
        source="endpoint.slug", default=None, allow_null=True, help_text="Slug it is pinned to"
    )
    secrets = SecretOut(many=True, source="secrets.all", help_text="Newest first; two in a grace")
    ip_filter = IpFilterOut(source="*")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> Fields:
        """Add its own limits."""
        limits = {name: shape(source="*") for name, shape in LIMITS_OUT.items()}
        return _with_limits(super().get_fields(), limits)


class IssuedKeyOut(KeyOut):
    """A key with its new secret, which is shown this once; null when the answer is repeated."""

    secret = serializers.CharField(allow_null=True, read_only=True)


class PassIn(StrictSerializer):
    """What a caller may say about a pass. It never opens the management API."""

    scopes = serializers.ListField(
        child=serializers.ChoiceField(
            [scope for scope in Scope.values if scope != Scope.MANAGEMENT]
        ),
        default=[Scope.INFERENCE.value],
        allow_empty=False,
        max_length=3,
    )
    endpoint = serializers.CharField(
        max_length=63, required=False, allow_null=True, help_text="Slug the pass is pinned to"
    )
    subject = serializers.RegexField(
        r"^[A-Za-z0-9_.:@+-]{1,64}$",
        required=False,
        help_text="Who will show it: your own name for your user",
    )


class PassOut(serializers.Serializer[Any]):
    """A pass, shown this once; ``token`` is null when the answer is repeated."""

    object = serializers.CharField(default="pass", read_only=True)
    token = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField()
    subject = serializers.CharField()
