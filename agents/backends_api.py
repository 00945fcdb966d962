"""The management API of a project's own servers by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from agents import backends, selectors
from agents.asking import look
from agents.backend_shapes import (
    BackendIn,
    BackendOut,
    BackendPatch,
    FoundOut,
    QuestionIn,
    RekeyIn,
    found_models,
)
from agents.errors import BackendUnknown
from agents.sightings import worker_health
from catalog import selectors as catalog
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
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agents.models import Backend


class BackendList(ManagementView):
    """``/{project}/v1/management/backends``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_backends",
        tags=["machines"],
        parameters=[Window],
        responses=page_shape("BackendPage", BackendOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's own servers by URL, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.backends_of(project=seat.project)
        context = _context(rows)
        return Response(
            page_of(rows, self.asked, lambda row: BackendOut(row, context=context).data)
        )

    @extend_schema(
        operation_id="add_backend",
        tags=["machines"],
        request=BackendIn,
        responses={201: BackendOut},
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Ask a server, and have it serve the chosen models for this project's endpoints."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, proven=True)
        said = parse(BackendIn, request)
        chosen = said.pop("models")
        new = backends.NewBackend(project=seat.project, chosen=chosen, **said)

        def add() -> Response:
            added = backends.add_backend(new, by=seat.actor)
            return _shown(_backend(seat, added.public_id), status.HTTP_201_CREATED)

        return answered_once(request, seat.actor, add)


class BackendQuestion(ManagementView):
    """``/{project}/v1/management/backends/ask``."""

    @extend_schema(
        operation_id="ask_backend", tags=["machines"], request=QuestionIn, responses=FoundOut
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Ask a server which models it serves. Nothing is kept."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        said = parse(QuestionIn, request)

        def ask() -> Response:
            found = look(project=seat.project, **said)
            rows = [
                {"name": one.name, "context_length": one.context_length} for one in found.models
            ]
            models = found_models(rows, catalog.listed_names())
            answer = {"url": found.url, "operations": found.operations, "models": models}
            return Response(FoundOut(answer).data)

        return answered_once(request, seat.actor, ask)


class BackendDetail(ManagementView):
    """``/{project}/v1/management/backends/{id}``."""

    @extend_schema(operation_id="get_backend", tags=["machines"], responses=BackendOut)
    def get(self, request: Request, project_id: str, backend_id: str) -> Response:
        """Show one backend."""
        return _shown(_backend(seat_of(request, project_id), backend_id))

    @extend_schema(
        operation_id="change_backend",
        tags=["machines"],
        request=BackendPatch,
        responses=BackendOut,
    )
    def patch(self, request: Request, project_id: str, backend_id: str) -> Response:
        """Rename a backend, choose models or slots anew, pause it (what runs goes on), resume."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        said = parse(BackendPatch, request)
        backend = _backend(seat, backend_id)
        check_match(request, etag_of(backend.version))
        _apply(backend, said, seat)
        return _shown(_backend(seat, backend_id))

    @extend_schema(
        operation_id="remove_backend", tags=["machines"], request=None, responses={204: None}
    )
    def delete(self, request: Request, project_id: str, backend_id: str) -> Response:
        """Send a backend nothing new within a second, for good, and forget its credential."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        backend = _backend(seat, backend_id)
        check_match(request, etag_of(backend.version), is_required=False)
        backends.remove_backend(backend=backend, by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BackendAskedAgain(ManagementView):
    """``/{project}/v1/management/backends/{id}/ask``."""

    @extend_schema(
        operation_id="ask_backend_again", tags=["machines"], request=None, responses=BackendOut
    )
    def post(self, request: Request, project_id: str, backend_id: str) -> Response:
        """Ask a backend again which models it serves, with the credential it has."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        backend = _backend(seat, backend_id)

        def ask() -> Response:
            backends.ask_again(backend=backend)
            return _shown(_backend(seat, backend_id))

        return answered_once(request, seat.actor, ask)


class BackendCredential(ManagementView):
    """``/{project}/v1/management/backends/{id}/rotate``."""

    @extend_schema(
        operation_id="rotate_backend_credential",
        tags=["machines"],
        request=RekeyIn,
        responses=BackendOut,
    )
    def post(self, request: Request, project_id: str, backend_id: str) -> Response:
        """Use another credential from now on, once the server took it."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, proven=True)
        said = parse(RekeyIn, request)
        backend = _backend(seat, backend_id)

        def rekey() -> Response:
            backends.rekey_backend(backend=backend, by=seat.actor, **said)
            return _shown(_backend(seat, backend_id))

        return answered_once(request, seat.actor, rekey)


def _apply(backend: Backend, said: dict[str, Any], seat: Seat) -> None:
    state = said.pop("state", None)
    if "models" in said:
        said["chosen"] = said.pop("models")
    if said:
        backends.change_backend(backend=backend, by=seat.actor, **said)
    if state == "paused" != backend.state:
        backends.pause_backend(backend=backend, by=seat.actor)
    elif state == "active" != backend.state:
        backends.resume_backend(backend=backend, by=seat.actor)


def _shown(backend: Backend, code: int = status.HTTP_200_OK) -> Response:
    body = BackendOut(backend, context=_context([backend])).data
    return Response(body, status=code, headers={"ETag": etag_of(backend.version)})


def _context(rows: Iterable[Backend]) -> dict[str, Any]:
    serving = [one.public_id for row in rows for one in row.workers.all() if one.is_offered]
    return {"health": worker_health(serving), "names": catalog.listed_names()}


def _backend(seat: Seat, backend_id: str) -> Backend:
    backend = selectors.backend_of(project=seat.project, public_id=backend_id)
    if backend is None:
        raise BackendUnknown("This project has no such backend.")
    return backend
