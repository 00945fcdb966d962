"""The base of the operator API: ``/v1/operator/…``, of no project, for operators' tokens alone."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from api.authentication import OperatorAuthentication, ShownToken
from common.actor import Actor
from common.rest import ManagementView, once_seated


class OperatorView(ManagementView):
    """A view that nobody enters without a live token of an operator."""

    authentication_classes = [OperatorAuthentication]
    by: Actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Ask who it is before anything is said of the question. Raises ``NotAuthenticated``."""
        super().initial(request, *args, **kwargs)
        if not isinstance(request.auth, ShownToken):
            raise NotAuthenticated("Show a token of an operator as bearer.")
        self.by = request.auth.actor
        once_seated(request)
