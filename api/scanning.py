"""Where those who scan public places report keys of ours that they found."""

from __future__ import annotations

import json
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys import leaks
from apikeys.leaks import Finding
from common.actor import REQUEST_ID, Actor, ActorKind
from common.addresses import caller_address
from common.problems import TooOften
from common.rest.errors import BodyTooLarge
from common.rest.inputs import BODY_LIMIT_BYTES
from common.rest.throttle import CallerThrottle, take

KEY_ID, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
FINDINGS_PER_MIN = 100
"""Of one address, in reports without a signature."""


class RawParser(BaseParser):
    """Leaves the body alone: a signature covers its bytes."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return the bytes."""
        body = stream.read(BODY_LIMIT_BYTES + 1)
        if len(body) > BODY_LIMIT_BYTES:
            raise BodyTooLarge(f"A report may have {BODY_LIMIT_BYTES} bytes.")
        return body


class FindingIn(serializers.Serializer[Any]):
    """One finding. Fields we don't know are the scanner's own business."""

    token = serializers.CharField(max_length=400, trim_whitespace=True)
    type = serializers.CharField(max_length=100, allow_blank=True, default="")
    url = serializers.CharField(max_length=2000, allow_blank=True, default="")
    source = serializers.CharField(  # type: ignore[assignment] # why: a field of the protocol
        max_length=100, allow_blank=True, default=""
    )


class KeyReport(APIView):
    """``POST /api/key-scanning/report``."""

    authentication_classes = ()
    throttle_classes = (CallerThrottle,)
    parser_classes = (RawParser,)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Revoke what was found; answer which of it was real."""
        body = cast("bytes", request.data)
        is_signed = leaks.check_signature(
            body, request.headers.get(KEY_ID, ""), request.headers.get(SIGNATURE, "")
        )
        findings = _findings(body)
        if not is_signed:
            _count(request, min(len(findings), leaks.MAX_UNSIGNED))
        verdicts = leaks.take_report(findings, is_signed=is_signed, by=_scanner(request))
        return Response(
            [
                {"token_hash": one.token_hash, "token_type": one.kind, "label": one.label}
                for one in verdicts
            ]
        )


def _findings(body: bytes) -> list[Finding]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise ParseError("The report is not JSON.") from fault
    shape: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=FindingIn(), data=said, max_length=leaks.MAX_SIGNED, allow_empty=False
    )
    shape.is_valid(raise_exception=True)
    return [
        Finding(one["token"], one["type"], one["url"], one["source"])
        for one in shape.validated_data
    ]


def _count(request: Request, findings: int) -> None:
    """Count what is to be looked up, beside the request itself. Raises ``TooOften``."""
    rate = take(f"finding:{caller_address(request)}", limit=FINDINGS_PER_MIN, cost=findings)
    if rate is not None and not rate.allowed:
        raise TooOften(
            f"Without a signature {FINDINGS_PER_MIN} findings a minute are looked up.",
            wait=rate.wait_s,
        )


def _scanner(request: Request) -> Actor:
    return Actor(
        ActorKind.SYSTEM,
        "key-scanning",
        "Key scanning",
        caller_address(request),
        request.META.get(REQUEST_ID, ""),
    )
