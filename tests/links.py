"""Links of agents as gateways write them down, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

from agents.models import Agent
from common import clock
from inference.contracts import agents as contract
from inference.contracts.names import LINKS, link_key, link_member

MODEL = "smollm2-135m-instruct"
READY = {"name": MODEL, "status": "ready", "task": "generate", "context": 4096}


def state_of(*models: Mapping[str, object], **said: Any) -> dict[str, Any]:
    """Return what a machine says that has these models."""
    return {"seq": 1, "drain": False, "slots": 4, "xim": "1.0", "models": list(models), **said}


def link(
    valkey: redis.Redis, agent: Agent, state: dict[str, Any] | None = None, *, gateway: str = "gw1"
) -> None:
    """Write down what a gateway writes of a link."""
    now = clock.now().timestamp()
    report = contract.LinkReport(
        gateway, now - 5, now, 0, state_of(READY) if state is None else state, peer="10.0.0.9"
    )
    valkey.set(link_key(agent.public_id, gateway), contract.dump(report), ex=contract.LINK_S)
    valkey.zadd(LINKS, {link_member(agent.public_id, gateway): now})


def cut(valkey: redis.Redis, agent: Agent, gateway: str = "gw1") -> None:
    """Take it away, as a gateway does when a link closes."""
    valkey.delete(link_key(agent.public_id, gateway))
    valkey.zrem(LINKS, link_member(agent.public_id, gateway))
