"""A little world for the plane: what the control plane would publish, and what came back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import redis

from inference.contracts.entries import Grant, Pool, Route, Terms, Worker, dump
from inference.contracts.events import EVENT_FIELD
from inference.contracts.keys import checksum, digest_of
from inference.contracts.names import (
    CHANGES,
    SHARDS,
    grant_key,
    pool_key,
    route_key,
    shard_tag,
    usage_stream,
)
from inference.contracts.operations import OPERATIONS

FUNCTIONS = Path(__file__).parents[2] / "inference" / "admission" / "functions.lua"
PEPPER, OLD_PEPPER = b"newest-pepper", b"older-pepper"
PROJECT, RIVAL = "proj_Acme00000001", "proj_Rival0000001"
CHAT = f"/{PROJECT}/chat/v1/chat/completions"
ASK: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "Capital?"}]}
STREAM = {**ASK, "stream": True}

TERMS = Terms(
    tier="free",
    version=1,
    requests_per_min=None,
    tokens_per_min=None,
    concurrent=50,
    request_timeout_s=3.0,
    idle_timeout_s=3.0,
    priority=10,
)
GRANT = Grant(version=1, key_id="key_Ada", project=PROJECT, scopes=("inference",))
ROUTE = Route(
    version=1,
    project=PROJECT,
    endpoint="chat",
    endpoint_id="ep_Chat00000001",
    model="small",
    task="generate",
    terms=TERMS,
    pools=("shared/small",),
    created_at=1_700_000_000,
)


def make_key(number: int = 1) -> str:
    """Mint a key of the right form."""
    front = f"xero_acme_{number:043}"
    return front + checksum(front)


KEY = make_key()


@dataclass
class World:
    """What was published, and what came back."""

    valkey: redis.Redis
    workers: list[Worker] = field(default_factory=list)

    def grant(self, key: str = KEY, *, pepper: bytes = PEPPER, **changes: Any) -> None:
        self._put(grant_key(digest_of(key.encode(), pepper)), replace(GRANT, **changes))

    def open_shards(self) -> None:
        """Say that there is nothing to restore, as the consumer does."""
        self.valkey.function_load(FUNCTIONS.read_text(encoding="utf-8"), replace=True)
        for shard in range(SHARDS):
            self.valkey.fcall("xt1_open", 1, f"{{s{shard}}}", "0", "")

    def top_up(self, amount: int) -> None:
        """Grant the project credit, as the publisher does."""
        self.valkey.fcall("xt1_grant", 1, shard_tag(PROJECT), PROJECT, str(amount), "1")

    def route(self, **changes: Any) -> None:
        route = replace(ROUTE, **changes)
        self._put(route_key(route.project, route.endpoint), route)

    def serve(
        self, *urls: str, agents: Sequence[str] = (), version: int = 1, **changes: Any
    ) -> None:
        """Publish the pool of these workers: by URL, and by the agent that each is."""
        workers = [
            Worker(f"wrk_{number}", url, "small", tuple(OPERATIONS), **changes)
            for number, url in enumerate(urls)
        ]
        changes = {"served_name": "mock", **changes}
        workers += [
            Worker(f"wrk_{name}", "", "small", tuple(OPERATIONS), agent=name, **changes)
            for name in agents
        ]
        self._put(pool_key("shared/small"), Pool(version, "shared/small", tuple(workers)))

    def events(self) -> list[dict[str, Any]]:
        """Return every usage event that has arrived."""
        found: list[dict[str, Any]] = []
        for shard in range(SHARDS):
            entries: Any = self.valkey.xrange(usage_stream(shard))
            found += [json.loads(fields[EVENT_FIELD]) for _, fields in entries]
        return found

    def held(self) -> dict[str, object]:
        """Say what requests of the project hold: leases, markers of the living, put aside."""
        found: dict[str, object] = {}
        for key in self.valkey.scan_iter(f"{shard_tag(PROJECT)}:*", count=1000):
            kind = key.split(":")[1]
            if kind == "l":
                found[key] = self.valkey.zrange(key, 0, -1)
            elif kind == "r" and self.valkey.ttl(key) == -1:  # The ended are forgotten some day.
                found[key] = "live"
            elif kind in ("p", "e", "k"):
                account: Any = self.valkey.hgetall(key)
                aside = [name for name in account if name == "held" or name.startswith("ah:")]
                found |= {f"{key} {name}": int(account[name]) for name in aside}
        return {name: amount for name, amount in found.items() if amount}

    def _put(self, key: str, thing: Grant | Route | Pool) -> None:
        self.valkey.set(key, dump(thing))
        self.valkey.publish(CHANGES, json.dumps({"key": key, "version": thing.version}))
