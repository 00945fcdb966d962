"""The machine behind all its links: what it tells of itself, and whom it serves."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from xim import __version__
from xim.identity import Identity
from xim.link import messages
from xim.link.messages import Assignment, Challenge
from xim.link.stream import Stream
from xim.serve import stands
from xim.serve.answer import answer
from xim.serve.places import Refusal
from xim.serve.stands import Stand

log = logging.getLogger("xim.agent")

DRAINING = "draining"
"""What the platform says to a machine that is to finish what runs and end."""
RATE_S, SOON_S = 10.0, 0.5
RATE_MAX = 1e9


@dataclass(slots=True)
class Rate:
    """Tokens a second over the last beats."""

    at: float = 0.0
    tokens: float = 0.0
    rate: float = 0.0

    def note(self, now: float, tokens: float) -> None:
        """Take a count that only rises; one that fell began anew."""
        if self.at and now > self.at:
            fresh = min(RATE_MAX, max(0.0, tokens - self.tokens) / (now - self.at))
            self.rate += (fresh - self.rate) * min(1.0, (now - self.at) / RATE_S)
        self.at, self.tokens = now, tokens


@dataclass(slots=True)
class Node:
    """What all links share."""

    identity: Identity
    token: str
    stands: list[Stand]
    machine: dict[str, Any]
    quirks: str = ""
    on_change: Callable[[], None] = lambda: None
    on_drain: Callable[[], None] = lambda: None
    now: Callable[[], float] = time.monotonic
    boot: str = field(default_factory=lambda: secrets.token_hex(8))
    assignment: Assignment | None = None
    drains: bool = False
    ended: Counter[str] = field(default_factory=Counter)
    rate: Rate = field(default_factory=Rate)

    def hello(self, challenge: Challenge, epoch: int) -> bytes:
        """Return the payload of a HELLO."""
        signature = self.identity.hello(challenge.gateway, challenge.nonce, self.token)
        return messages.packed(
            {
                "version": messages.VERSION,
                "token": self.token,
                "key": self.identity.public,
                "signature": signature,
                "boot": self.boot,
                "epoch": epoch,
                "xim": __version__,
                "features": [],
            }
        )

    @property
    def kind(self) -> str:
        """Return what runs the models: each kind once."""
        return ", ".join(dict.fromkeys(stand.adapter.kind for stand in self.stands))

    @property
    def slots(self) -> int:
        """Return how many requests the machine takes at once."""
        return sum(stand.places.slots for stand in self.stands)

    @property
    def requests(self) -> int:
        """Return how many requests run here."""
        return sum(stand.places.running for stand in self.stands)

    def state(self) -> dict[str, Any]:
        """Return what a STATE says."""
        load = stands.load_of(self.stands)
        versions = filter(None, (stand.seen.version for stand in self.stands))
        return {
            "boot": self.boot,
            "drain": self.drains,
            "slots": self.slots,
            "running": load.running,
            "waiting": load.waiting,
            "kv": load.kv,
            "tokens_per_s": round(self.rate.rate, 1),
            "xim": __version__,
            "models": stands.models_of(self.stands),
            "engine": {
                "kind": self.kind,
                "version": ", ".join(dict.fromkeys(versions)),
                "quirks": self.quirks or self.kind,
            },
        }

    def facts(self) -> dict[str, Any]:
        """Return what is known of the machine."""
        return self.machine

    def assigned(self, assignment: Assignment) -> None:
        """Note what the platform wants of this machine."""
        if self.assignment is None or self.assignment.state != assignment.state:
            log.info("platform says state=%s", assignment.state)
        self.assignment = assignment
        if assignment.state == DRAINING:
            self.on_drain()

    async def look(self) -> None:
        """Look at each engine once; tell all links if a model came, went or changed."""
        changes = await asyncio.gather(*(_look_at(stand) for stand in self.stands))
        self.rate.note(self.now(), sum(stand.tokens for stand in self.stands))
        if any(changes):
            self.on_change()

    async def watch(self, every_s: float) -> None:
        """Look at the engines again and again: more often at one that is about to be there."""
        while True:
            await self.look()
            settled = all(stand.is_settled for stand in self.stands)
            await asyncio.sleep(every_s if settled else min(every_s, SOON_S))

    async def answer(self, stream: Stream) -> None:
        """Answer a request, or say why not."""
        picked = stands.pick(stream.ask, self.stands, drains=self.drains)
        if isinstance(picked, Refusal):
            stream.refuse(picked.code, picked.detail, untouched=True)
            self.ended[picked.code.name.lower()] += 1
            return
        how = "cancelled"
        try:
            with picked.places.taken(stream.ask.model):
                how = await answer(stream, picked.engine, picked.count)
        finally:
            self.ended[how] += 1


async def _look_at(stand: Stand) -> bool:
    """Look at one engine; say whether a model of it came, went or changed."""
    before = stand.seen
    stand.seen = await stand.adapter.look()
    if stand.seen.trouble != before.trouble:
        level = logging.WARNING if stand.seen.trouble else logging.INFO
        log.log(level, "engine %s %s", stand.adapter.kind, stand.seen.trouble or "answers")
    return stand.seen.models != before.models
