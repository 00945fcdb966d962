"""Lanes: a key on an endpoint for one kind of request, whose calls share a packed prefix."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

from inference.admission.buckets import request_bucket, token_bucket
from inference.admission.commands import LEASE_S, head, strings
from inference.admission.ports import Ask
from inference.contracts.entries import Grant, Terms
from inference.contracts.events import UsageEvent
from inference.contracts.functions import LIBRARY
from inference.contracts.key_limits import FIELDS, numbers_of
from inference.contracts.names import shard_tag
from inference.telemetry.outcome import milliseconds_text

LANES_MAX: Final = 4096
WHO: Final = 4
LIMITS: Final = WHO + 8 + len(FIELDS)
ASK_PARTS: Final = 7
END_PARTS: Final = 4
"""How many arguments of ``admit_all`` and ``settle_all`` are shared, and how many not."""

_ADMIT: Final = f"{LIBRARY}_admit_all"
_SETTLE: Final = f"{LIBRARY}_settle_all"
_RENEW: Final = (
    b"%s$36\r\n%s\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n$1\r\n%d\r\n"
)

_quoted: Final = lru_cache(1024)(json.dumps)
"""A worker's id as JSON: there are few, and each serves many requests."""


class Tally:
    """How many requests of one endpoint run on one tier in this process."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0


class Lane:
    """A key on an endpoint, for one kind of request: what all its calls have in common."""

    __slots__ = (
        "_admit",
        "_renew",
        "_settle",
        "about",
        "beside",
        "easy_until",
        "grant",
        "route",
        "shard",
        "tag",
        "unheard",
    )

    def __init__(self, ask: Ask, beside: Tally) -> None:
        self.beside = beside
        """What runs of its endpoint on its tier, by all lanes."""
        self.easy_until = 0.0
        """Until when (loop seconds) every limit counts as far away, as Valkey has said."""
        self.unheard = 0
        """How many admissions are asked for of which nothing was heard yet."""
        self.grant, self.route = ask.grant, ask.route
        self.tag = shard_tag(ask.route.project)
        self.shard = int(self.tag[2:-1])
        who = (ask.route.project, ask.route.endpoint_id, ask.grant.key_id, ask.route.terms.tier)
        self.about = _about(ask)
        limits = _limits(ask.grant, ask.route.terms)
        self._admit = strings("FCALL", _ADMIT, 1, self.tag, *who, *limits, self.about)
        self._renew = head(f"{LIBRARY}_renew", self.tag, 6)
        self._settle = strings("FCALL", _SETTLE, 1, self.tag, *who)

    def admit(self, asks: list[bytes]) -> bytes:
        """Pack the admission of requests."""
        parts = [b"*%d\r\n" % (4 + LIMITS + ASK_PARTS * len(asks)), self._admit]
        return b"".join(parts + asks)

    def renew(self, request_id: bytes, tokens: int, money: int) -> bytes:
        """Pack a renewal of the lease that holds so much more."""
        allowance = self.route.terms.monthly_tokens or 0
        return _RENEW % (self._renew, request_id, int(LEASE_S), tokens, money, allowance, 0)

    def settle(self, ends: list[bytes]) -> bytes:
        """Pack the ends of requests."""
        parts = [b"*%d\r\n" % (4 + WHO + END_PARTS * len(ends)), self._settle]
        return b"".join(parts + ends)

    def text(self, event: UsageEvent) -> bytes:
        """Write an event as JSON; what it shares with others of this lane is written already."""
        ttft = "null" if event.ttft_ms is None else milliseconds_text(event.ttft_ms)
        more = ""
        if event.caller_request_id:
            more = f',"caller_request_id":{json.dumps(event.caller_request_id)}'
        if event.slo_ttft_ms is not None:
            more += f',"slo_ttft_ms":{event.slo_ttft_ms}'
        if event.slo_tpot_ms is not None:
            more += f',"slo_tpot_ms":{event.slo_tpot_ms}'
        if event.decision is not None:
            more += f',"decision":{event.decision.text()}'
        return (
            f'{{"request_id":"{event.request_id}",{self.about},"worker_id":'
            f'{_quoted(event.worker_id)},"status":{event.status},"ending":"{event.ending}",'
            f'"source":"{event.source}","tokens_in":{event.tokens_in},"tokens_out":'
            f'{event.tokens_out},"tokens_cached":{event.tokens_cached},"cost":{event.cost},'
            f'"ttft_ms":{ttft},"latency_ms":{milliseconds_text(event.latency_ms)}{more}}}'
        ).encode()

    def never_ran(self, request_id: bytes) -> bytes:
        """Write for the journal that a request was refused here, whatever Valkey thinks of it."""
        return (
            f'{{"request_id":"{request_id.decode()}",{self.about},"worker_id":"","status":503,'
            '"ending":"refused","source":"absent","tokens_in":0,"tokens_out":0,"tokens_cached":0,'
            '"cost":0,"ttft_ms":null,"latency_ms":0,"void":true}'
        ).encode()


class Lanes:
    """The lanes in use. Told apart by the very objects the tables hold: new ones, new lane."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[int, int, str, bool], Lane] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}

    def of(self, ask: Ask) -> Lane:
        """Return the lane of a request."""
        # A lane keeps its grant and route alive, so their ids can't be used again meanwhile.
        known = (id(ask.grant), id(ask.route), ask.operation, ask.streaming)
        lane = self._lanes.get(known)
        if lane is None:
            if len(self._lanes) >= LANES_MAX:
                self._lanes.clear()
                busy = {name: tally for name, tally in self._tallies.items() if tally.running}
                self._tallies = busy
            place = (ask.route.endpoint_id, ask.route.terms.tier)
            tally = self._tallies.setdefault(place, Tally())
            lane = self._lanes[known] = Lane(ask, tally)
        return lane


def _limits(grant: Grant, terms: Terms) -> tuple[str | int, ...]:
    step_us, cap_us = request_bucket(terms)
    token_us, token_cap_us = token_bucket(terms)
    return (
        step_us,
        cap_us,
        repr(token_us),
        repr(token_cap_us),
        terms.concurrent,
        *numbers_of(grant),
        terms.monthly_tokens or 0,
        int(LEASE_S),
    )


def _about(ask: Ask) -> str:
    route = ask.route
    shared = {
        "project": route.project,
        "endpoint": route.endpoint,
        "endpoint_id": route.endpoint_id,
        "model": route.model,
        "key_id": ask.grant.key_id,
        "secret_id": ask.grant.secret_id,
        "operation": ask.operation,
        "streamed": ask.streaming,
        "tier": route.terms.tier,
        "terms_version": route.terms.version,
    }
    return json.dumps(shared, separators=(",", ":"))[1:-1]
