"""The management API of keys: seat, parse, call, render."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys import passes, selectors, services
from apikeys.limits import LIMITS, Limit, columns_of
from apikeys.services import IssuedKey, KeyChanges
from apikeys.shapes import (
    LIMITS_IN,
    LIMITS_OUT,
    IpFilterIn,
    IpFilterOut,
    IssuedKeyOut,
    KeyIn,
    KeyOut,
    KeyPatch,
    PassIn,
    PassOut,
    RotateIn,
)
from common.rest import (
    ManagementView,
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
from projects.access import Seat, check_proof, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from endpoints.models import Endpoint

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
        seat = seat_of(request, project_id, at_least=Role.MEMBER, proven=True)
        said = parse(KeyIn, request)
        return answered_once(request, seat.actor, lambda: _issue(seat, said))


class KeyDetail(ManagementView):
    """``/{project}/v1/management/api-keys/{id}``."""

    @extend_schema(operation_id="get_api_key", tags=["api-keys"], responses=KeyOut)
    def get(self, request: Request, project_id: str, key_id: str) -> Response:
        """Show one key."""
        seat = seat_of(request, project_id)
        return _shown(KeyOut, _key(seat, key_id))

    @extend_schema(
        operation_id="change_api_key", tags=["api-keys"], request=KeyPatch, responses=KeyOut
    )
    def patch(self, request: Request, project_id: str, key_id: str) -> Response:
        """Change a key's name, scopes, pin or expiry."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        said = parse(KeyPatch, request)
        if "endpoint" in said:
            said["endpoint"] = _pin(seat, said["endpoint"])
        return _shown(KeyOut, _changed(request, seat, key_id, cast("KeyChanges", said)))

    @extend_schema(
        operation_id="revoke_api_key", tags=["api-keys"], request=None, responses={204: None}
    )
    def delete(self, request: Request, project_id: str, key_id: str) -> Response:
        """Revoke a key: refused everywhere within a second. It stays listed."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        key = _own_key(seat, key_id)
        check_match(request, etag_of(key.version), is_required=False)
        services.revoke_key(key=key, by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class KeyRotation(ManagementView):
    """``/{project}/v1/management/api-keys/{id}/rotate``."""

    @extend_schema(
        operation_id="rotate_api_key",
        tags=["api-keys"],
        request=RotateIn,
        responses={201: IssuedKeyOut},
    )
    def post(self, request: Request, project_id: str, key_id: str) -> Response:
        """Give a key a new secret, shown this once; the old one goes on for the grace."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER, proven=True)
        grace = timedelta(seconds=parse(RotateIn, request)["grace_s"])

        def rotate() -> Response:
            key = _own_key(seat, key_id)
            seat.check_scopes(key.scopes)
            return _issued(services.rotate_key(key=key, grace=grace, by=seat.actor))

        return answered_once(request, seat.actor, rotate)


class KeyOldSecret(ManagementView):
    """``/{project}/v1/management/api-keys/{id}/old-secret``."""

    @extend_schema(
        operation_id="end_old_api_key_secret",
        tags=["api-keys"],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, project_id: str, key_id: str) -> Response:
        """Stop the secret that a rotation left in its grace; the current one goes on."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        key = _own_key(seat, key_id)
        check_match(request, etag_of(key.version), is_required=False)
        services.end_old_secret(key=key, by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class KeyIpFilter(ManagementView):
    """``/{project}/v1/management/api-keys/{id}/ip-filter``."""

    @extend_schema(operation_id="get_api_key_ip_filter", tags=["api-keys"], responses=IpFilterOut)
    def get(self, request: Request, project_id: str, key_id: str) -> Response:
        """Show from where a key may be used."""
        return _shown(IpFilterOut, _key(seat_of(request, project_id), key_id))

    @extend_schema(
        operation_id="set_api_key_ip_filter",
        tags=["api-keys"],
        request=IpFilterIn,
        responses=IpFilterOut,
    )
    def put(self, request: Request, project_id: str, key_id: str) -> Response:
        """Say from where a key may be used; both lists empty: from everywhere."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        said = parse(IpFilterIn, request)
        changes = KeyChanges(ip_allow=said["allow"], ip_block=said["block"])
        return _shown(IpFilterOut, _changed(request, seat, key_id, changes))


class KeyLimit(ManagementView):
    """``/{project}/v1/management/api-keys/{id}/{limit}``, for each kind of limit (``limits``)."""

    limit: ClassVar[Limit]

    def get(self, request: Request, project_id: str, key_id: str) -> Response:
        """Show the limit."""
        return _shown(LIMITS_OUT[self.limit.name], _key(seat_of(request, project_id), key_id))

    def put(self, request: Request, project_id: str, key_id: str) -> Response:
        """Set it."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        said = parse(LIMITS_IN[self.limit.name], request)
        changes = KeyChanges(figures=self.limit.columns(said))
        return _shown(LIMITS_OUT[self.limit.name], _changed(request, seat, key_id, changes))

    def delete(self, request: Request, project_id: str, key_id: str) -> Response:
        """Lift it."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        changes = KeyChanges(figures=self.limit.columns(None))
        _changed(request, seat, key_id, changes, is_match_required=False)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _limit_view(limit: Limit) -> type[KeyLimit]:
    name, shown = limit.name, LIMITS_OUT[limit.name]

    def described(verb: str, words: str, **more: Any) -> Any:
        operation = f"{verb}_api_key_{name}"
        return extend_schema(operation_id=operation, tags=["api-keys"], description=words, **more)

    return extend_schema_view(
        get=described("get", f"Show a key's {name}.", responses=shown),
        put=described("set", limit.set, request=LIMITS_IN[name], responses=shown),
        delete=described("lift", f"Lift a key's {name}.", request=None, responses={204: None}),
    )(type("KeyLimit", (KeyLimit,), {"limit": limit}))


LIMIT_VIEWS = {limit.name: _limit_view(limit) for limit in LIMITS}


class PassList(ManagementView):
    """``/{project}/v1/management/tokens``."""

    @extend_schema(
        operation_id="mint_pass", tags=["tokens"], request=PassIn, responses={201: PassOut}
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Sign a pass: a JWT of five minutes that opens inference without a key."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER, proven=True)
        said = parse(PassIn, request)
        said["endpoint"] = _pin(seat, said.get("endpoint"))

        def mint() -> Response:
            minted = passes.mint_pass(project=seat.project, by=seat.actor, **said)
            return Response(PassOut(minted).data, status=status.HTTP_201_CREATED)

        return answered_once(request, seat.actor, mint)


def _issue(seat: Seat, said: dict[str, Any]) -> Response:
    seat.check_scopes(said["scopes"])
    limits = KeyChanges(figures=columns_of(said))
    if "ip_filter" in said:
        limits["ip_allow"], limits["ip_block"] = said["ip_filter"].values()
    issued = services.issue_key(
        project=seat.project,
        issuer=seat.maker,
        name=said["name"],
        scopes=said["scopes"],
        endpoint=_pin(seat, said.get("endpoint")),
        expires_at=said.get("expires_at"),
        limits=limits,
        by=seat.actor,
    )
    return _issued(issued)


def _issued(issued: IssuedKey) -> Response:
    body = {**KeyOut(issued.key).data, "secret": issued.secret}
    tag = {"ETag": etag_of(issued.key.version)}
    return Response(body, status=status.HTTP_201_CREATED, headers=tag)


def _shown(shape: type[serializers.Serializer[Any]], key: ApiKey) -> Response:
    return Response(shape(key).data, headers={"ETag": etag_of(key.version)})


def _changed(
    request: Request,
    seat: Seat,
    key_id: str,
    changes: KeyChanges,
    *,
    is_match_required: bool = True,
) -> ApiKey:
    key = _own_key(seat, key_id)
    check_match(request, etag_of(key.version), is_required=is_match_required)
    seat.check_scopes([*key.scopes, *changes.get("scopes", ())])
    if set(changes.get("scopes", ())) - set(key.scopes):
        check_proof(request)
    if changes:
        services.change_key(key=key, changes=changes, by=seat.actor)
    return _key(seat, key_id)


def _own_key(seat: Seat, key_id: str) -> ApiKey:
    key = _key(seat, key_id)
    seat.check_own(key.issued_by_id)
    return key


def _key(seat: Seat, key_id: str) -> ApiKey:
    return selectors.known_key(project=seat.project, public_id=key_id)


def _pin(seat: Seat, slug: str | None) -> Endpoint | None:
    if not slug:
        return None
    endpoint = endpoints.endpoint_of(project=seat.project, slug=slug)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.", param="endpoint")
    return endpoint
