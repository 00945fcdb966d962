"""Where payment providers tell of payments."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.rest import CurrencyField, ManagementView, Window, page_of, page_shape
from ledger import payments, selectors
from ledger.rules import EntryKind
from projects.access import seat_of


class LedgerWindow(Window):
    """A page of entries: their ids are numbers."""

    after = serializers.RegexField(
        r"^[1-9][0-9]{0,17}$", required=False, help_text="Id of the entry before the first"
    )
    before = serializers.RegexField(
        r"^[1-9][0-9]{0,17}$", required=False, help_text="Id of the entry after the last"
    )


class BalanceOut(serializers.Serializer[Any]):
    """Where a project's money stands, in integer micro-units of the currency."""

    object = serializers.ChoiceField(["balance"], default="balance")
    granted = serializers.IntegerField(help_text="Everything but charges: top-ups, refunds, …")
    currency = CurrencyField()
    spent = serializers.IntegerField()
    balance = serializers.IntegerField(help_text="granted − spent")


class EntryOut(serializers.Serializer[Any]):
    """One movement of money; positive adds to the balance."""

    object = serializers.ChoiceField(["ledger.entry"], default="ledger.entry")
    id = serializers.CharField()
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(EntryKind.choices)
    amount = serializers.IntegerField(help_text="Micro-units of the currency")
    currency = CurrencyField()
    request_id = serializers.CharField()
    endpoint_id = serializers.CharField()
    key_id = serializers.CharField()
    tier = serializers.CharField()
    terms_number = serializers.IntegerField()
    note = serializers.CharField()


class LedgerList(ManagementView):
    """``/{project}/v1/management/ledger``."""

    queries = {"GET": LedgerWindow}

    @extend_schema(
        operation_id="list_ledger_entries",
        tags=["usage"],
        parameters=[LedgerWindow],
        responses=page_shape("LedgerPage", EntryOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List every movement of money, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.entries_of(project=seat.project)
        return Response(page_of(rows, self.asked, lambda row: EntryOut(row).data, id_field="pk"))


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
        """Credit a payment, once, if the provider signed the notice; set aside what fits nobody."""
        paid = payments.provider().read(
            cast("bytes", request.data), request.headers.get("Stripe-Signature", "")
        )
        if paid is not None:
            payments.take(paid)
        return Response(status=status.HTTP_204_NO_CONTENT)
