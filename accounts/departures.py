"""What ends when a person's authority ends: in one project, or everywhere.

Apps above this one say at the start what they end (keys, invitations): authority never
outlives its holder, and this app need not know who hands it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from accounts.models import User
    from common.actor import Actor


class Ending(Protocol):
    """Ends, inside the caller's transaction, what a person made in a project, or in every one.

    An ``heir`` takes over what can be taken over, and answers for it from then on.
    """

    def __call__(self, *, user: User, project_pk: int | None, heir: User | None, by: Actor) -> None:
        """End it."""


_endings: list[Ending] = []


def also(ending: Ending) -> None:
    """End this as well, from now on. Called once, when the apps are ready."""
    if ending not in _endings:
        _endings.append(ending)


def end_authority(*, user: User, project_pk: int | None, heir: User | None, by: Actor) -> None:
    """End what a person made, in the order in which it was announced."""
    for ending in _endings:
        ending(user=user, project_pk=project_pk, heir=heir, by=by)
