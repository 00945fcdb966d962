"""How endpoints stand in the world. Who knows of money is above this app, and registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from endpoints.rules import Live

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from projects.models import Project

Reader = Callable[["Project", Sequence["Endpoint"]], Mapping[int, Live]]
_readers: list[Reader] = []


def tell_by(reader: Reader) -> None:
    """Name who knows. Once, when the apps are ready."""
    _readers[:] = [reader]


def states_of(project: Project, endpoints: Sequence[Endpoint]) -> Mapping[int, Live]:
    """Return how each of a project's endpoints stands now, by primary key."""
    [reader] = _readers
    return reader(project, endpoints)


def state_of(endpoint: Endpoint) -> Live:
    """Return how one endpoint stands now."""
    return states_of(endpoint.project, [endpoint])[endpoint.pk]
