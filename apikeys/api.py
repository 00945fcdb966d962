"""The management API of keys: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys import selectors, services
from apikeys.errors import KeyUnknown
from common.rest import StrictSerializer, as_list
from endpoints import selectors as endpoints
from endpoints.errors import EndpointUnknown
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from endpoints.models import Endpoint

SCOPES = ["inference", "management", "execution", "research"]


class KeyIn(StrictSerializer):
    """What a caller may say about a new key."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(SCOPES), default=["inference"], allow_empty=False
    )
    endpoint = serializers.CharField(
        max_length=63, required=False, allow_null=True, help_text="Slug the key is pinned to"
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class KeyOut(serializers.Serializer[Any]):
    """What a caller may read of a key. A field is private until it is named here."""

    object = serializers.CharField(default="api_key", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    endpoint = serializers.SerializerMethodField(help_text="Slug the key is pinned to")
    hints = serializers.SerializerMethodField(help_text="How people recognise its secrets")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)

    def get_endpoint(self, key: ApiKey) -> str | None:
        """Return the slug of the endpoint it is pinned to."""
        return key.endpoint.slug if key.endpoint else None

    def get_hints(self, key: ApiKey) -> list[str]:
        """Return the hint of each of its secrets, newest first."""
        return [secret.hint for secret in key.secrets.all()]


class IssuedKeyOut(KeyOut):
    """A new key: the one answer that carries its secret."""

    secret = serializers.CharField(allow_null=True, read_only=True)


KeyPage = inline_serializer(
    "ApiKeyPage",
    {
        "object": serializers.CharField(),
        "data": KeyOut(many=True),
        "has_more": serializers.BooleanField(),
        "first_id": serializers.CharField(allow_null=True),
        "last_id": serializers.CharField(allow_null=True),
    },
)


class KeyList(APIView):
    """``/{project}/v1/management/api-keys``."""

    @extend_schema(operation_id="list_api_keys", responses=KeyPage)
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's keys, revoked ones too, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.keys_of(project=seat.project)
        return Response(as_list([KeyOut(row).data for row in rows], has_more=False))

    @extend_schema(operation_id="issue_api_key", request=KeyIn, responses={201: IssuedKeyOut})
    def post(self, request: Request, project_id: str) -> Response:
        """Issue a key, and show its secret this once."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        asked = KeyIn(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        issued = services.issue_key(
            project=seat.project,
            issuer=seat.user,
            name=said["name"],
            scopes=said["scopes"],
            endpoint=_pin(seat, said.get("endpoint")),
            expires_at=said.get("expires_at"),
        )
        body = {**KeyOut(issued.key).data, "secret": issued.secret}
        return Response(body, status=status.HTTP_201_CREATED)


class KeyDetail(APIView):
    """``/{project}/v1/management/api-keys/{id}``."""

    @extend_schema(operation_id="get_api_key", responses=KeyOut)
    def get(self, request: Request, project_id: str, key_id: str) -> Response:
        """Show one key."""
        seat = seat_of(request, project_id)
        return Response(KeyOut(_key(seat, key_id)).data)

    @extend_schema(operation_id="revoke_api_key", request=None, responses={204: None})
    def delete(self, request: Request, project_id: str, key_id: str) -> Response:
        """Revoke a key: refused everywhere within a second. It stays listed."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        services.revoke_key(key=_key(seat, key_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _key(seat: Seat, key_id: str) -> ApiKey:
    key = selectors.key_of(project=seat.project, public_id=key_id)
    if key is None:
        raise KeyUnknown("This project has no such key.")
    return key


def _pin(seat: Seat, slug: str | None) -> Endpoint | None:
    if not slug:
        return None
    endpoint = endpoints.endpoint_of(project=seat.project, slug=slug)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.", param="endpoint")
    return endpoint
