"""Who asks, and for what: the gate's questions, with the tables they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inference import gate
from inference.address import Target
from inference.contracts import (
    Grant,
    Pool,
    Route,
    Worker,
    digest_of,
    grant_key,
    pool_key,
    route_key,
)
from inference.plane import Plane
from inference.problems import Refused
from inference.tables import Found


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that passed the gate. ``pools``: who can serve it, best pool first."""

    grant: Grant
    route: Route
    pools: list[list[Worker]]


class LookUp:
    """Leads one request through the gate; ends in one call of ``passed`` or ``refused``.

    Either may come before ``begin`` returns, when everything is in memory, or later.
    """

    __slots__ = (
        "_address",
        "_fields",
        "_grant",
        "_passed",
        "_plane",
        "_refused",
        "_route",
        "_target",
    )

    def __init__(
        self,
        plane: Plane,
        target: Target,
        fields: gate.Fields,
        passed: Callable[[Passed], None],
        refused: Callable[[Refused], None],
    ) -> None:
        self._plane = plane
        self._target = target
        self._fields = fields
        self._passed = passed
        self._refused = refused
        self._address = ""
        self._grant: Grant
        self._route: Route

    def begin(self, address: str) -> None:
        """Ask for the rows of the key and of the endpoint. Raises ``Refused`` at once."""
        self._address = address
        tables, target = self._plane.tables, self._target
        token = gate.read_bearer(self._fields)
        keys = [route_key(target.project, target.slug)]
        for pepper in self._plane.config.peppers:
            key = grant_key(digest_of(token, pepper))
            keys.append(key)
            if tables.look(key) is not None:
                break
        tables.resolve(keys, self._on_rows)

    def _on_rows(self, found: Found, sure: bool) -> None:
        try:
            self._check_rows(found, sure)
        except Refused as refusal:
            self._refused(refusal)

    def _check_rows(self, found: Found, sure: bool) -> None:
        plane, target = self._plane, self._target
        first, *rest = found.values()
        grant = next((thing for thing in rest if isinstance(thing, Grant)), None)
        _need(sure or grant is not None)
        self._grant = gate.check_grant(grant, target, self._address, plane.clock())
        route = first if isinstance(first, Route) else None
        _need(sure or route is not None)
        self._route = gate.check_route(route, target)
        if target.methods == ("GET",):
            self._passed(Passed(self._grant, self._route, []))
            return
        gate.check_operation(self._route, target)
        gate.read_slo(self._fields)
        gate.read_encoding(self._fields)
        plane.tables.resolve([pool_key(name) for name in self._route.pools], self._on_pools)

    def _on_pools(self, found: Found, sure: bool) -> None:
        pools = [thing if isinstance(thing, Pool) else None for thing in found.values()]
        try:
            _need(sure or any(pools))
            workers = gate.find_workers(self._route, pools, self._target)
        except Refused as refusal:
            self._refused(refusal)
            return
        self._passed(Passed(self._grant, self._route, workers))


def _need(known: bool) -> None:
    if not known:
        # Whether the key is good can't be known now; that is our fault and not the key's.
        raise Refused("service_unavailable", "The gateway can't look this up right now.")
