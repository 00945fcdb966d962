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
from xim.engines.adapter import Adapter
from xim.engines.seen import Seen
from xim.identity import Identity
from xim.link import messages
from xim.link.messages import Assignment, Challenge
from xim.link.stream import Stream
from xim.serve import places
from xim.serve.answer import Count, Engine, answer
from xim.serve.places import Places

log = logging.getLogger("xim.agent")

RATE_S = 10.0
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
    adapter: Adapter
    engine: Engine
    places: Places
    machine: dict[str, Any]
    quirks: str = ""
    on_change: Callable[[], None] = lambda: None
    now: Callable[[], float] = time.monotonic
    boot: str = field(default_factory=lambda: secrets.token_hex(8))
    seen: Seen = field(default_factory=lambda: Seen(trouble="the engine was not asked yet"))
    assignment: Assignment | None = None
    drains: bool = False
    count: Count = field(default_factory=Count)
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
    def running(self) -> int:
        """Return how much runs: ours, or what the engine says, whichever is more."""
        return max(self.places.running, self.seen.load.running or 0)

    def state(self) -> dict[str, Any]:
        """Return what a STATE says."""
        seen = self.seen
        return {
            "boot": self.boot,
            "drain": self.drains,
            "slots": self.places.slots,
            "running": self.running,
            "waiting": seen.load.waiting or 0,
            "kv": seen.load.kv,
            "tokens_per_s": round(self.rate.rate, 1),
            "xim": __version__,
            "models": [one.said(self.places.by_model[one.name]) for one in seen.models],
            "engine": {
                "kind": self.adapter.kind,
                "version": seen.version,
                "quirks": self.quirks or self.adapter.kind,
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

    async def look(self) -> None:
        """Look at the engine once; tell all links if a model came, went or changed."""
        before = self.seen
        self.seen = await self.adapter.look()
        generated = self.seen.load.tokens
        self.rate.note(self.now(), self.count.events if generated is None else generated)
        if self.seen.trouble != before.trouble:
            level = logging.WARNING if self.seen.trouble else logging.INFO
            log.log(level, "engine %s", self.seen.trouble or "answers")
        if self.seen.models != before.models:
            self.on_change()

    async def watch(self, every_s: float) -> None:
        """Look at the engine again and again."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def answer(self, stream: Stream) -> None:
        """Answer a request, or say why not."""
        refusal = places.refusal_of(stream.ask, self.seen, self.places, drains=self.drains)
        if refusal is not None:
            stream.refuse(refusal.code, refusal.detail, untouched=True)
            self.ended[refusal.code.name.lower()] += 1
            return
        how = "cancelled"
        try:
            with self.places.taken(stream.ask.model):
                how = await answer(stream, self.engine, self.count)
        finally:
            self.ended[how] += 1
