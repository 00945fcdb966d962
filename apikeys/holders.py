"""Whose keys they are: a key goes on only while somebody answers for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apikeys import selectors, services

if TYPE_CHECKING:
    from accounts.models import User
    from common.actor import Actor


def end_keys(*, user: User, project_pk: int | None, heir: User | None, by: Actor) -> None:
    """Revoke the live keys a person made, or let an heir answer for them from now on."""
    for key in selectors.live_keys_made_by(user=user, project_pk=project_pk):
        if heir is None:
            services.revoke_key(key=key, by=by, reason=f"{user.email} is no member any more")
        else:
            services.hand_over_key(key=key, heir=heir, by=by)
