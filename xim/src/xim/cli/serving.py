"""``xim run`` and ``xim sim``: from options to what serves."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from xim.agent.options import RunOptions
from xim.agent.run import run
from xim.engines import launch
from xim.engines.kinds import KINDS
from xim.engines.launch import Gguf
from xim.faults import DONE, Stop
from xim.sim.faults import Chance
from xim.sim.server import Options, Simulator
from xim.web.call import Address

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
    _check_address(said)
    if said.slots < 0 or said.grace < 0:
        raise Stop("--slots and --grace can't be negative.")
    return RunOptions(
        state=Path(said.state).expanduser(),
        engine=said.engine,
        engine_url=said.engine_url,
        engine_key=_key(said.engine_key_file),
        task=said.task,
        accelerator=said.accelerator,
        slots=said.slots,
        allow_remote_models=said.allow_remote_models,
        gguf=_gguf(said),
        sim=simulated(said, "sim_"),
        metrics_port=_port(said.metrics_port, "--metrics-port") if said.metrics_port else None,
        metrics_host=said.metrics_host,
        grace_s=said.grace,
    )


def _check_address(said: argparse.Namespace) -> None:
    if said.engine == "openai" and not said.engine_url:
        raise Stop(
            "--engine openai needs --engine-url, as http://127.0.0.1:8000/v1; "
            f"other kinds are {', '.join(kind for kind in KINDS if kind != 'openai')}."
        )
    if said.engine_url:
        try:
            Address.of(said.engine_url)
        except ValueError as fault:
            raise Stop(f"--engine-url: {fault}.") from fault


def _key(path: str) -> str:
    if not path:
        return ""
    try:
        key = Path(path).expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise Stop(f"--engine-key-file {path} can't be read: {fault}.") from fault
    if not (key and key.isascii() and key.isprintable()):
        raise Stop(f"--engine-key-file {path} is no key: one line of plain characters is.")
    return key


def _gguf(said: argparse.Namespace) -> Gguf | None:
    if not said.gguf:
        return None
    if said.engine != "llamacpp" or said.engine_url:
        raise Stop("--gguf starts llama.cpp: it goes with --engine llamacpp, without --engine-url.")
    if said.context < 1:
        raise Stop("--context takes a number of tokens.")
    file = Path(said.gguf).expanduser()
    slots = said.slots or KINDS["llamacpp"].slots
    gguf = Gguf(file, said.model_name or file.stem.lower(), said.context * slots, slots)
    launch.check(gguf)
    return gguf


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
