"""``xim run`` and ``xim sim``: from options to what serves."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from xim.agent.options import RunOptions
from xim.agent.run import run
from xim.cli import engines
from xim.faults import DONE, Stop
from xim.sim.faults import Chance
from xim.sim.server import Options, Simulator

PORT_MAX = 65_535


def serve(said: argparse.Namespace) -> int:
    """Serve until stopped."""
    return asyncio.run(run(read(said)))


def simulate(said: argparse.Namespace) -> int:
    """Run the simulated engine alone, until stopped."""
    options = simulated(said, "")
    try:
        asyncio.run(_simulate(options, said.host, _port(str(said.port), "--port")))
    except KeyboardInterrupt:
        return DONE
    except OSError as fault:
        raise Stop(f"--port {said.port} can't be had: {fault.strerror}.") from fault
    return DONE


async def _simulate(options: Options, host: str, port: int) -> None:
    async with Simulator(options).serve(host, port) as taken:
        sys.stdout.write(f"the simulator listens on http://{host}:{taken}/v1\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def read(said: argparse.Namespace) -> RunOptions:
    """Return what ``xim run`` was told; raises ``Stop`` for what does not go together."""
    if said.grace < 0:
        raise Stop("--grace can't be negative.")
    return RunOptions(
        state=Path(said.state).expanduser(),
        engines=engines.read(said),
        accelerator=said.accelerator,
        sim=simulated(said, "sim_"),
        metrics_port=_port(said.metrics_port, "--metrics-port") if said.metrics_port else None,
        metrics_host=said.metrics_host,
        grace_s=said.grace,
    )


def _port(text: str, flag: str) -> int:
    if not text.isdigit() or int(text) > PORT_MAX:
        raise Stop(f"{flag} takes a port, 0 to {PORT_MAX}.")
    return int(text)


def simulated(said: argparse.Namespace, prefix: str) -> Options:
    """Return what the simulator was told."""
    told = {name.removeprefix(prefix): value for name, value in vars(said).items()}
    models = tuple(filter(None, (name.strip() for name in told["models"].split(","))))
    if not models or told["scale"] <= 0 or told["context"] < 1:
        raise Stop("The simulator needs a model, a scale above 0 and a context of 1 at least.")
    try:
        faults = tuple(Chance.read(one.strip()) for one in told["faults"].split(",") if one)
    except ValueError as fault:
        raise Stop(f"--{prefix.replace('_', '-')}faults: {fault}.") from fault
    return Options(
        models=models,
        seed=told["seed"],
        speed=told["speed"],
        scale=told["scale"],
        context=told["context"],
        quirks=told["quirks"],
        faults=faults,
    )
