"""Who asks, and for what: the gate's questions, with the tables they need."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_

from inference.contracts import pass_keys
from inference.contracts.entries import Grant, Pool, Route, Worker
from inference.contracts.keys import digest_of
from inference.contracts.names import grant_key, pool_key
from inference.contracts.pass_keys import PassKeys
from inference.exchange.plane import Plane
from inference.gate import rules
from inference.gate.address import READ
from inference.gate.head import Head
from inference.gate.passed import Passed
from inference.gate.passes import held_to, looks_like_pass
from inference.gate.tables import Found, Thing
from inference.http.fields import NO_SLO
from inference.http.problems import Refused

ABLE_MAX = 4096


class LookUp:
    """Leads one request through the gate; ends in one call of ``passed`` or ``refused``.

    Either may come before ``begin`` returns, when everything is in memory, or later.
    """

    __slots__ = (
        "_address",
        "_fields",
        "_grant",
        "_grant_name",
        "_passed",
        "_plane",
        "_refused",
        "_route",
        "_shown",
        "_slo",
        "_target",
        "_token",
    )

    def __init__(
        self,
        plane: Plane,
        head: Head,
        passed: Callable[[Passed], None],
        refused: Callable[[Refused], None],
    ) -> None:
        self._plane = plane
        self._target = head.target
        self._fields = head.fields
        self._passed = passed
        self._refused = refused
        self._address = ""
        self._token = b""
        self._shown: Grant | None = None
        self._slo = NO_SLO
        self._grant: Grant
        self._grant_name = ""
        self._route: Route

    def begin(self, address: str) -> None:
        """Ask for the rows of the key and of the endpoint. Raises ``Refused`` at once."""
        self._address = address
        tables, name = self._plane.tables, self._target.route_key
        token = rules.read_bearer(self._fields)
        if looks_like_pass(token):
            self._token = token
            tables.resolve([name, pass_keys.NAME], self._on_signers)
            return
        keys = [name]
        for pepper in self._plane.config.peppers:
            key = grant_key(digest_of(token, pepper))
            keys.append(key)
            grant, route = tables.look(key), tables.look(name)
            if isinstance(grant, Grant) and isinstance(route, Route):
                self._grant_name = key
                self._check(grant, route, sure=True)
                return
        tables.resolve(keys, self._on_rows)

    def _on_rows(self, found: Found, sure: bool) -> None:
        route, grant = None, None
        for name, thing in found.items():
            if isinstance(thing, Route):
                route = thing
            elif isinstance(thing, Grant) and grant is None:
                self._grant_name, grant = name, thing
        try:
            self._check(grant, route, sure=sure)
        except Refused as refusal:
            self._refused(refusal)

    def _on_signers(self, found: Found, sure: bool) -> None:
        route, signers = found.values()
        grant = None
        if isinstance(signers, PassKeys):
            grant = self._plane.passes.read(self._token, signers, self._plane.clock())
            sure = True if grant is None else sure
        self._shown = grant
        if grant is None or not grant.behind:
            self._judge_pass(grant, route, sure=sure)
            return
        names = [self._target.route_key, grant_key(grant.behind)]
        self._plane.tables.resolve(names, self._on_behind)

    def _on_behind(self, found: Found, sure: bool) -> None:
        route, key = found.values()
        grant = None
        if self._shown is not None:
            grant = held_to(self._shown, key if isinstance(key, Grant) else None)
        self._judge_pass(grant, route, sure=sure)

    def _judge_pass(self, grant: Grant | None, route: Thing | None, *, sure: bool) -> None:
        try:
            self._check(grant, route if isinstance(route, Route) else None, sure=sure)
        except Refused as refusal:
            self._refused(refusal)

    def _check(self, grant: Grant | None, route: Route | None, *, sure: bool) -> None:
        try:
            self._judge(grant, route, sure=sure)
        except Refused as refusal:
            refusal.grant = grant
            raise

    def _judge(self, grant: Grant | None, route: Route | None, *, sure: bool) -> None:
        plane, target = self._plane, self._target
        # What is missing in a Valkey that lost everything is not unknown: it is not back yet.
        sure = sure and plane.limiter.is_restored
        _need(sure or grant is not None)
        self._grant = rules.check_grant(grant, target, self._address, plane.clock())
        _need(sure or route is not None)
        self._route = rules.check_route(route, target)
        if target.methods == READ:
            self._pass([])
            return
        rules.check_operation(self._route, target)
        self._slo = rules.read_slo(self._fields)
        rules.read_encoding(self._fields)
        self._find_pools(self._route)

    def _find_pools(self, route: Route) -> None:
        tables, names = self._plane.tables, route.pools
        if route.fallback is not None:
            names += route.fallback.pools
        keys = [pool_key(name) for name in names]
        pools = [tables.look(key) for key in keys]
        if None in pools:
            tables.resolve(keys, self._on_pools)
        else:
            self._on_found(pools)

    def _on_pools(self, found: Found, sure: bool) -> None:
        try:
            _need((sure and self._plane.limiter.is_restored) or any(found.values()))
            self._on_found(list(found.values()))
        except Refused as refusal:
            refusal.grant = self._grant
            self._refused(refusal)

    def _on_found(self, things: list[Thing | None]) -> None:
        route = self._route
        if route.fallback is None:
            self._pass(self._able(route, things))
        else:
            self._choose(route, route.fallback, things)

    def _choose(self, route: Route, fallback: Route, things: list[Thing | None]) -> None:
        """Let the project's own machines serve it; the platform's where they can't now."""
        own = self._able_if_any(route, things[: len(route.pools)])
        why = self._plane.router.lacks(own)
        if why:
            others = self._able_if_any(fallback, things[len(route.pools) :])
            if self._plane.router.is_any(others):
                self._route = fallback
                self._pass(others, why)
                return
        self._pass(own or self._able(route, things[: len(route.pools)]))

    def _able(self, route: Route, things: list[Thing | None]) -> list[list[Worker]]:
        able, name = self._plane.able, (route.pools, self._target.rest, route.region)
        known = able.get(name)
        if known is None or not all(map(is_, known[0], things)):
            pools = [thing if isinstance(thing, Pool) else None for thing in things]
            known = pools, rules.find_workers(route, pools, self._target)
            if len(able) >= ABLE_MAX:
                able.clear()
            able[name] = known
        return known[1]

    def _able_if_any(self, route: Route, things: list[Thing | None]) -> list[list[Worker]]:
        try:
            return self._able(route, things)
        except Refused:
            return []

    def _pass(self, pools: list[list[Worker]], fallback: int = 0) -> None:
        passed = Passed(self._grant, self._route, pools, self._slo, self._grant_name)
        passed.fallback = fallback
        passed.is_of_a_moment = bool(fallback) or self._route.fallback is not None
        self._passed(passed)


def _need(known: bool) -> None:
    if not known:
        # Whether the key is good can't be known now; that is our fault and not the key's.
        raise Refused("service_unavailable", "The gateway can't look this up right now.")
