"""Agents of a whole gateway: enrolled as the control plane would, and dialled in by a test."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis

from inference.contracts import agents, pass_keys
from inference.contracts.agents import ACTIVE, AgentEntry
from inference.contracts.names import CHANGES, agent_key
from inference.tests.dialled_agent import AgentStream, DialledAgent, Serve
from inference.tests.identities import Identity, Platform
from tests.plane.caller import request
from tests.plane.conftest import Running, until
from tests.plane.workers import completion
from tests.plane.world import ASK, CHAT, KEY, World

TUNNEL = "/agents/v1/tunnel"
JSON = b"content-type: application/json\r\n"
EVENTS = b"content-type: text/event-stream\r\n"


class Fleet:
    """Agents that have enrolled, as the control plane would publish them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.valkey: redis.Redis = world.valkey
        self.platform = Platform()
        keys = self.platform.entries[pass_keys.NAME]
        assert isinstance(keys, pass_keys.PassKeys)
        self._put(pass_keys.NAME, pass_keys.dump(keys), keys.version)

    def enrol(self, name: str = "agt_1", state: str = ACTIVE) -> Identity:
        identity = Identity(self.platform, name, state)
        identity.now = time.time()
        self.publish(identity.entry)
        return identity

    def publish(self, entry: AgentEntry) -> None:
        self._put(agent_key(entry.agent), agents.dump(entry), entry.version)

    def pool(self, *names: str, **changes: Any) -> None:
        self._world.serve(agents=names, **changes)

    def _put(self, key: str, text: str, version: int) -> None:
        self.valkey.set(key, text)
        self.valkey.publish(CHANGES, json.dumps({"key": key, "version": version}))


async def polite(stream: AgentStream) -> None:
    await stream.whole()
    await stream.head(200, JSON)
    await stream.data(completion(), is_last=True)


@asynccontextmanager
async def dial(
    running: Running, identity: Identity, play: Serve = polite, **hello: Any
) -> AsyncIterator[DialledAgent]:
    """Dial in, and wait until it may be asked."""
    url = f"ws://localhost:{running.port}{TUNNEL}"
    async with DialledAgent(identity, url, play, **hello) as agent:
        links = running.gateway.agents.links
        await until(lambda: any(link.said for link in links.of_agent(identity.agent)))
        yield agent


def ask(body: dict[str, Any] = ASK) -> bytes:
    return request(CHAT, body, key=KEY)
