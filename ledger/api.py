"""Where payment providers tell of payments."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common import tenancy
from ledger import payments, services
from projects import selectors as projects
from projects.errors import ProjectNotFound


class RawParser(BaseParser):
    """Leaves the body alone: a signature covers its bytes."""

    media_type = "*/*"

    def parse(self, stream, media_type=None, parser_context=None):  # type: ignore[no-untyped-def]
        """Return the bytes."""
        return stream.read()


class PaymentNotice(APIView):
    """``POST /api/payments/notice``, called by the payment provider."""

    authentication_classes = ()
    parser_classes = (RawParser,)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Credit a payment, once, if the provider signed the notice."""
        paid = payments.provider().read(
            cast("bytes", request.data), request.headers.get("Stripe-Signature", "")
        )
        if paid is not None:
            project = projects.project_by_public_id(paid.project_public_id)
            if project is None:
                raise ProjectNotFound("There is no such project.")
            # The provider's signature stands in for a seat: it names the project itself.
            with tenancy.within(project.pk, project.public_id):
                services.top_up(
                    project=project, amount=paid.amount, note="Payment", reference=paid.reference
                )
        return Response(status=status.HTTP_204_NO_CONTENT)
