"""A fleet as real processes: two gateways, the control plane, and machines that dial in.

Every machine simulates its engine, since only of a simulator's answer can be said which
question it answers, and whether a word of it is missing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.relay import Relay
from tests.chaos.stage import Actor, Stage
from tests.chaos.walls import NoWall, Wall
from xerotier_site.embedded.launch import free_port
from xerotier_site.embedded.process import inherited

MACHINES = 4
CONTROL = ("control", "worker", "beat")
CELERY = ("-m", "celery", "--quiet", "--app", "xerotier_site.celery")
QUIETLY = ("--without-gossip", "--without-mingle", "--without-heartbeat")


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
        self.control_port = free_port()
        self._walls = _walls()
        hosts = [wall.outside for wall in self._walls]
        self.environment["XEROTIER_HOSTS"] = ",".join(["localhost", "127.0.0.1", *hosts])

    def add_control(self) -> None:
        """Start the control plane: what answers, what works in the background, its clock."""
        where = ["--control", f"--port={self.control_port}"]
        self.start("control", [sys.executable, "-m", "xerotier_site.server", *where], self._answers)
        threads = ["worker", "--pool=threads", "--concurrency=2", *QUIETLY]
        self.start("worker", [sys.executable, *CELERY, *threads], lambda: True)
        timetable = f"--schedule={self.folder / 'home' / 'timetable'}"
        self.start("beat", [sys.executable, *CELERY, "beat", timetable, "--pidfile="], lambda: True)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.control_port), timeout=1).close()
        except OSError:
            return False
        return True

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
        sim = ("--sim-models", model, "--sim-seed", machine.name[-1], "--sim-scale", "0.3")
        argv = machine.xim("run", "--engine", "sim", *sim)
        self.start(machine.name, argv, lambda: True)

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
