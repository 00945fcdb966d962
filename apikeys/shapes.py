"""What callers may say about keys, and what they may read of them: allowlists, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apikeys import rules
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


class QuotaIn(StrictSerializer):
    """How many requests a key may make in each window of seconds."""

    requests = serializers.IntegerField(min_value=1, max_value=rules.MAX_QUOTA)
    window_s = serializers.IntegerField(min_value=1, max_value=rules.MAX_WINDOW_S)


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
    quota = QuotaIn(required=False, allow_null=True)


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


class QuotaOut(serializers.Serializer[Any]):
    """A key's quota; both numbers are null where there is none."""

    object = serializers.CharField(default="quota", read_only=True)
    requests = serializers.IntegerField(source="quota_requests", allow_null=True)
    window_s = serializers.IntegerField(source="quota_window_s", allow_null=True)


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
    quota = QuotaOut(source="*")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


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
