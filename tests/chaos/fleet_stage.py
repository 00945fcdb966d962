"""A fleet as real processes: two gateways, the control plane, and machines that dial in.

One machine runs llama.cpp, the others simulate an engine: of a simulator's answer can be said
not only which question it answers, but also whether a word of it is missing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.relay import Relay
from tests.chaos.stage import Actor, Stage
from tests.chaos.walls import NoWall, Wall
from tests.models import FOLDER
from xerotier_site.embedded.process import inherited
from xim.bundled import machine as processor
from xim.bundled import weights

MACHINES = 4
OF_LLAMA = "machine-1"
LLAMA = ("--engine", "llamacpp", "--context", "2048", "--slots", "2")


@dataclass
class Machine:
    """One agent: its way to the platform, its folder, and its process once it runs."""

    name: str
    folder: Path
    relay: Relay
    wall: Wall | None
    agent: str = ""

    def xim(self, *said: str) -> list[str]:
        """Return a command of xim that runs on this machine."""
        argv = [sys.executable, "-m", "xim", *said, "--state", str(self.folder)]
        return self.wall.argv(*argv) if self.wall else argv

    def enrolled(self) -> dict[str, object]:
        """Return what it keeps of its enrolment."""
        kept: dict[str, object] = json.loads((self.folder / "enrollment.json").read_text())
        return kept

    def keep(self, **changes: object) -> None:
        """Change what it keeps."""
        path = self.folder / "enrollment.json"
        path.write_text(json.dumps(self.enrolled() | changes))

    def token_ends_at(self) -> float:
        """Return when the token ends that it keeps (Unix seconds)."""
        ends_at = self.enrolled()["expires_at"]
        assert isinstance(ends_at, int | float)
        return float(ends_at)

    def cut(self) -> None:
        """Lose every packet from now on."""
        if self.wall:
            self.wall.pull()
        else:
            self.relay.hold()

    def mend(self) -> None:
        """Lose none any more."""
        if self.wall:
            self.wall.plug()
        else:
            self.relay.let_pass()


class FleetStage(Stage):
    """Everything a fleet needs."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder, chance)
        self.machines: list[Machine] = []
        self._weights = _weights()
        self._walls = _walls()
        hosts = [wall.outside for wall in self._walls]
        self.environment["XEROTIER_HOSTS"] = ",".join(["localhost", "127.0.0.1", *hosts])

    async def add_machines(self) -> None:
        """Give each machine its wall and its way."""
        for number in range(MACHINES):
            wall = self._walls[number] if self._walls else None
            host = wall.outside if wall else "127.0.0.1"
            relay = Relay(host, list(self.ports.values()), self.control_port)
            await relay.start()
            name = f"machine-{number + 1}"
            self.machines.append(Machine(name, self.folder / name, relay, wall))

    def join(self, machine: Machine, join_key: str) -> None:
        """Have a machine enrol; call it in a thread, since the relay runs in the loop."""
        where = f"{machine.relay.host}:{machine.relay.port}"
        words = ("enroll", "--url", f"http://{where}", "--join-key", "-", "--name", machine.name)
        done = subprocess.run(  # noqa: S603 - our own words
            machine.xim(*words),
            input=join_key,
            env=inherited(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # The platform has one address; each machine reaches it by a way of its own.
        machine.keep(tunnel=f"ws://{where}/agents/v1/tunnel")
        machine.agent = str(machine.enrolled()["agent"])

    def start_machine(self, machine: Machine, model: str) -> None:
        """Have a machine serve."""
        engine = ["--engine", "sim", "--sim-models", model, "--sim-scale", "0.3"]
        engine += ["--sim-seed", machine.name[-1]]
        if self._weights and machine.name == OF_LLAMA:
            engine = [*LLAMA, "--gguf", str(self._weights), "--model-name", model]
        self.start(machine.name, machine.xim("run", *engine), lambda: True)

    def without_tokens(self) -> list[str]:
        """Name the machines whose token has ended."""
        return [one.name for one in self.machines if one.token_ends_at() < time.time()]

    def engines(self) -> set[str]:
        """Name the kinds of engine that serve."""
        return {"sim", "llama.cpp"} if self._weights else {"sim"}

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a process a signal."""
        os.kill(self.pid(name), number)

    def actor(self, name: str) -> Actor:
        """Return one of the processes."""
        return self.actors[name]

    def close(self) -> None:
        """End everything, and take the walls down."""
        super().close()
        for wall in self._walls:
            wall.remove()


def _weights() -> Path | None:
    why: object = "this processor has no AVX2"
    try:
        if processor.has_avx2():
            FOLDER.mkdir(parents=True, exist_ok=True)
            return weights.fetch(weights.CHAT, FOLDER)
    except weights.WeightsMissing as fault:
        why = fault
    print(f"no llama.cpp among them, since {why}", flush=True)
    return None


def _walls() -> list[Wall]:
    walls: list[Wall] = []
    try:
        for number in range(MACHINES):
            walls.append(Wall(number))  # noqa: PERF401 - those that were built have to be removed
    except NoWall as why:
        print(f"without network namespaces, since {why}: links are cut on their way", flush=True)
        for wall in walls:
            wall.remove()
        return []
    print(f"{MACHINES} machines, each in a network namespace nobody can dial into", flush=True)
    return walls
