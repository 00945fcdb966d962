"""What the gate says of a request that it let through."""

from __future__ import annotations

from inference.contracts.entries import Grant, Route, Worker
from inference.http.fields import Slo


class Passed:
    """A request that passed the gate. ``pools``: who can serve it, best pool first.

    ``grant_name``: where in Valkey what was granted lies; a pass lies nowhere. ``route`` is that
    of its fallback where machines of the project's own could not serve it: ``fallback`` says why
    (``decisions``).
    """

    __slots__ = ("fallback", "grant", "grant_name", "is_of_a_moment", "pools", "route", "slo")

    def __init__(
        self, grant: Grant, route: Route, pools: list[list[Worker]], slo: Slo, grant_name: str
    ) -> None:
        self.fallback = 0
        self.is_of_a_moment = False
        """Whether the next request may be sent elsewhere, though no table changes."""
        self.grant = grant
        self.route = route
        self.pools = pools
        self.slo = slo
        self.grant_name = grant_name

    @property
    def is_lasting(self) -> bool:
        """Say whether the same will pass again for as long as the tables don't change."""
        # A pass is read anew each time: who signs is looked up, and it is over in minutes.
        return bool(self.grant_name) and not self.is_of_a_moment
