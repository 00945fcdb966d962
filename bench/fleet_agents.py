"""Many machines in one process: each with its own key, links and beats by the code of ``xim``.

    python -m bench.fleet_agents FILE PORT...

FILE has the machines, the ports are the gateways'. Every answer to a handshake is a line on
standard output: when (Unix seconds), the gateway's port, the status.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.balancer import Balancer
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.engines.adapter import Options
from xim.engines.kinds import KINDS
from xim.engines.seen import Model, Seen
from xim.identity import Identity, bytes_of
from xim.link.connection import Where
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.serve.stands import Stand
from xim.sim.server import Options as SimOptions
from xim.sim.server import Simulator
from xim.web.call import Address

FACTS = {
    "hostname": "bench",
    "os": "Linux",
    "arch": "x86_64",
    "cpus": 64,
    "memory_bytes": 2**38,
    "accelerators": [{"kind": "cuda", "name": "A card", "memory_bytes": 2**36}],
}
SLOTS = 64


async def run(machines: Sequence[dict[str, str]], model: str, ports: Sequence[int]) -> None:
    """Have all of them dial, beat and answer, for ever."""
    port = await Balancer(ports, _note).start()
    where = Where(f"ws://127.0.0.1:{port}/agents/v1/tunnel", None)
    async with (
        Simulator(SimOptions(models=(model,))).serve() as engine,
        asyncio.TaskGroup() as all_,
    ):
        address = Address.of(f"http://127.0.0.1:{engine}/v1")
        for machine in machines:
            keeper = Keeper(_node(machine, model, address), where, _renew)
            all_.create_task(keeper.run())


def _node(machine: dict[str, str], model: str, engine: Address) -> Node:
    stand = Stand(KINDS["sim"](Options(engine)), Engine(engine, ""), Places(SLOTS))
    stand.seen = Seen(models=(Model(model, context=4096),), version="1")
    return Node(
        identity=Identity.from_raw(bytes_of(machine["key"])),
        token=machine["token"],
        stands=[stand],
        machine=FACTS,
    )


async def _renew() -> None:
    """Do nothing: a token lives longer than any run."""


def _note(port: int, status: int) -> None:
    sys.stdout.write(f"{time.time():.3f} {port} {status}\n")
    sys.stdout.flush()


def main() -> None:
    """Read who they are, and let them live."""
    logging.disable()
    said: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    uvloop.run(run(said["machines"], said["model"], [int(port) for port in sys.argv[2:]]))


if __name__ == "__main__":
    main()
