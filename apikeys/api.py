"""The management API of keys: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys import selectors, services
from apikeys.errors import KeyUnknown
from common.rest import (
    ManagementView,
    StrictSerializer,
    Window,
    answered_once,
    check_match,
    etag_of,
    page_of,
    page_shape,
    parse,
)
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


KeyPage = page_shape("ApiKeyPage", KeyOut)


class KeyList(ManagementView):
    """``/{project}/v1/management/api-keys``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_api_keys", tags=["api-keys"], parameters=[Window], responses=KeyPage
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's keys, revoked ones too, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.keys_of(project=seat.project)
        return Response(page_of(rows, self.asked, lambda row: KeyOut(row).data))

    @extend_schema(
        operation_id="issue_api_key",
        tags=["api-keys"],
        request=KeyIn,
        responses={201: IssuedKeyOut},
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Issue a key, and show its secret this once."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        said = parse(KeyIn, request)
        return answered_once(request, seat.actor, lambda: _issue(seat, said))


class KeyDetail(ManagementView):
    """``/{project}/v1/management/api-keys/{id}``."""

    @extend_schema(operation_id="get_api_key", tags=["api-keys"], responses=KeyOut)
    def get(self, request: Request, project_id: str, key_id: str) -> Response:
        """Show one key."""
        seat = seat_of(request, project_id)
        return _shown(_key(seat, key_id))

    @extend_schema(
        operation_id="revoke_api_key", tags=["api-keys"], request=None, responses={204: None}
    )
    def delete(self, request: Request, project_id: str, key_id: str) -> Response:
        """Revoke a key: refused everywhere within a second. It stays listed."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        key = _key(seat, key_id)
        seat.check_own(key.issued_by_id)
        check_match(request, etag_of(key.version), is_required=False)
        services.revoke_key(key=key, by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _issue(seat: Seat, said: dict[str, Any]) -> Response:
    issued = services.issue_key(
        project=seat.project,
        issuer=seat.user,
        name=said["name"],
        scopes=said["scopes"],
        endpoint=_pin(seat, said.get("endpoint")),
        expires_at=said.get("expires_at"),
        by=seat.actor,
    )
    body = {**KeyOut(issued.key).data, "secret": issued.secret}
    tag = {"ETag": etag_of(issued.key.version)}
    return Response(body, status=status.HTTP_201_CREATED, headers=tag)


def _shown(key: ApiKey) -> Response:
    return Response(KeyOut(key).data, headers={"ETag": etag_of(key.version)})


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
