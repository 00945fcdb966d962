"""``xim run``: puts an agent together."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack

from xim import facts
from xim.agent.agent import Agent
from xim.agent.engine import stand_of
from xim.agent.node import Node
from xim.agent.options import RunOptions
from xim.agent.renewal import Renewal
from xim.control import trust
from xim.control.api import Platform
from xim.link.connection import Where
from xim.state import State

log = logging.getLogger("xim.agent")


async def run(options: RunOptions) -> int:
    """Start the engine where it is ours, then serve."""
    state = State(options.state)
    with state.lock():
        identity, enrollment = state.enrolled()
        trusted = trust.context_of(enrollment.ca_pem)
        platform = Platform(enrollment.url, trusted, time.time)
        async with AsyncExitStack() as stack:
            stands = [await stand_of(one, options.sim, stack) for one in options.engines]
            node = Node(
                identity=identity,
                token=enrollment.token,
                stands=stands,
                machine=await asyncio.to_thread(facts.facts, options.accelerator),
                quirks=options.sim.quirks if options.is_simulated else "",
            )
            renewal = Renewal(state, identity, enrollment, platform)
            log.info("agent %s engine=%s slots=%d", enrollment.agent, node.kind, node.slots)
            agent = Agent(options, node, renewal, Where(enrollment.tunnel, trusted))
            return await agent.run()
