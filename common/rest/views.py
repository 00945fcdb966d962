"""The base of every view of the management API."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.rest.inputs import BoundedJSONParser, NoQuery, StrictSerializer, parse_query
from common.rest.negotiation import AlwaysJson
from common.rest.throttle import CallerThrottle


class ManagementView(APIView):
    """A view that reads its query strictly and whose answers nobody may store.

    ``queries`` names the shape of the query for each method that takes one.
    """

    parser_classes = [BoundedJSONParser]
    throttle_classes = [CallerThrottle]
    content_negotiation_class = AlwaysJson
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {}
    asked: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read the query once the caller is known."""
        super().initial(request, *args, **kwargs)
        self.asked = parse_query(self.queries.get(request.method or "", NoQuery), request)

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        """Keep answers out of every cache: some hold secrets, all belong to one tenant."""
        response: Response = super().finalize_response(*args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response
