"""The decisions API: why a request went to the worker it went to."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.rest import ManagementView
from projects.access import seat_of
from routing import selectors
from routing.errors import DecisionUnknown
from routing.shapes import DecisionDetailOut, decision_out


class DecisionDetail(ManagementView):
    """``/{project}/v1/management/decisions/{id}``."""

    @extend_schema(operation_id="get_decision", tags=["usage"], responses=DecisionDetailOut)
    def get(self, request: Request, project_id: str, decision_id: str) -> Response:
        """Explain a decision by the id that its answer had (`X-Xerotier-Decision-ID`).

        Each attempt with its candidates, what each would have cost in milliseconds and why, what
        was predicted and what came. Every decision can be asked for about an hour; longer those
        that missed a target, failed over or ended badly, and a sample.
        """
        seat = seat_of(request, project_id)
        attempts = selectors.explained_of(project=seat.project, decision_id=decision_id)
        if not attempts:
            raise DecisionUnknown("This project has no such decision, or it is no longer kept.")
        return Response(decision_out(attempts))
