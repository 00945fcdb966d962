"""The base of every view of the management API."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.rest.inputs import BoundedJSONParser, NoQuery, StrictSerializer, parse_query
from common.rest.negotiation import AlwaysJson
from common.rest.throttle import CallerThrottle

READ_QUERY = "xerotier.read_query"
"""Where a view leaves word of what is to be read once its caller has a seat."""


class ManagementView(APIView):
    """A view that reads its query strictly and whose answers nobody may store.

    ``queries`` names the shape of the query for each method that takes one. It is read once
    the door knows that the caller may ask (``once_seated``): others aren't told what was
    wrong with their question.
    """

    parser_classes = [BoundedJSONParser]
    throttle_classes = [CallerThrottle]
    content_negotiation_class = AlwaysJson
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {}
    asked: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Leave word for the door to have the query read."""
        super().initial(request, *args, **kwargs)
        request.META[READ_QUERY] = partial(self._read_query, request)

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        """Keep answers out of every cache: some hold secrets, all belong to one tenant."""
        response: Response = super().finalize_response(*args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def _read_query(self, request: Request) -> None:
        # HEAD is answered by the method of GET, and asks the same.
        method = "GET" if request.method == "HEAD" else request.method or ""
        self.asked = parse_query(self.queries.get(method, NoQuery), request)


def once_seated(request: Request) -> None:
    """Read the query as the view wants it. Raises ``ValidationError`` naming the parameter."""
    read = request.META.pop(READ_QUERY, None)
    if read is not None:
        read()
