"""Everything a platform's money runs on, as real processes that can be killed and started again.

Two gateways that share a journal folder, the consumer, Valkey and PostgreSQL, each as
durable as ``make run`` has it. Spawned from the main thread only: a child's life is tied to
the thread that began it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import psutil
import redis

from tests.platform import ROOT
from xerotier_site.embedded import databases, postgres
from xerotier_site.embedded.launch import answers, free_port
from xerotier_site.embedded.process import Command, lesser_account, spawn

LOST_S = 1.0
"""What an append-only file that is synced every second may lose."""
PATIENCE_S = 300.0
"""How long anything may take to start, on a machine that has other work: no guarantee of ours."""

CONTROL = ("control", "worker", "beat")
CELERY = ("-m", "celery", "--quiet", "--app", "xerotier_site.celery")
QUIETLY = ("--without-gossip", "--without-mingle", "--without-heartbeat")

Environment = dict[str, str]


@dataclass
class Actor:
    """One process that may be killed: how it is started and when it works again."""

    name: str
    command: Command
    is_up: Callable[[], bool]
    child: Popen[bytes]
    killed_at: float = 0.0
    up_at: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """End it, and what it started, without a word."""
        family = psutil.Process(self.child.pid).children(recursive=True)
        self.child.kill()
        self.child.wait()
        for process in family:
            if process.is_running():
                process.kill()
        psutil.wait_procs(family, timeout=5)
        self.killed_at = time.monotonic()

    async def start_again(self, output: int) -> None:
        """Start it and wait until it works."""
        deadline = time.monotonic() + PATIENCE_S
        self.child = spawn(self.command, output=output)
        while not self.is_up():
            assert time.monotonic() < deadline, f"{self.name} did not come back"
            if self.child.poll() is not None:
                self.child = spawn(self.command, output=output)
            await asyncio.sleep(0.05)
        self.up_at = time.monotonic()


class Stage:
    """All of them, and the environment that tells them of each other."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        account = lesser_account()
        self.log = (folder / "chaos.log").open("ab")
        sockets = databases.socket_folder(account)
        self._premises = databases.Premises(
            folder / "data", sockets, account, output=self.log.fileno()
        )
        self.actors: dict[str, Actor] = {}
        self.ports: dict[str, int] = {}
        self.control_port = free_port()
        self._sizes: deque[tuple[float, Path, int]] = deque(maxlen=40)
        self._start_databases()
        self.valkey = redis.Redis.from_url(
            self.environment["VALKEY_URL"], decode_responses=True, socket_timeout=2
        )

    def _start_databases(self) -> None:
        place = self._premises
        store = databases.start_postgres(place, secrets.token_hex(16))
        shared = databases.start_valkey(place, secrets.token_hex(16))
        self.environment: Environment = {
            "DATABASE_URL": store.url,
            "VALKEY_URL": shared.url,
        }
        cluster = place.data / "postgres" / "18"
        self._add(
            "postgres", store, cluster, lambda: postgres.is_ready(cluster, self.pid("postgres"))
        )
        self._add("valkey", shared, place.data / "valkey", self._valkey_answers)

    def _add(
        self, name: str, server: databases.Server, folder: Path, is_up: Callable[[], bool]
    ) -> None:
        argv = [str(part) for part in server.child.args]  # type: ignore[union-attr] # why: a list, as we gave it
        command = Command(argv, account=self._premises.account, folder=folder)
        self.actors[name] = Actor(name, command, is_up, server.child)

    def pid(self, name: str) -> int:
        """Return the number of a process."""
        return self.actors[name].child.pid

    def _valkey_answers(self) -> bool:
        try:
            return bool(self.valkey.ping())
        except redis.RedisError:
            return False

    def add_programs(self) -> None:
        """Start both gateways and the consumer."""
        for number in (1, 2):
            port = free_port()
            argv = [sys.executable, "-m", "xerotier_site.server", "--plane", f"--port={port}"]
            self.start(f"gateway-{number}", argv, answers(f"http://127.0.0.1:{port}/healthz"))
            self.ports[f"gateway-{number}"] = port
        self.start("consumer", [sys.executable, "manage.py", "usage_consumer"], lambda: True)

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

    def start(self, name: str, argv: list[str], is_up: Callable[[], bool]) -> None:
        """Start a program of ours."""
        command = Command(argv, self.environment, folder=ROOT)
        child = spawn(command, output=self.log.fileno())
        self.actors[name] = Actor(name, command, is_up, child)

    async def wait_until_served(self) -> None:
        """Wait until both gateways admit requests."""
        for port in self.ports.values():
            is_ready = answers(f"http://127.0.0.1:{port}/readyz")
            await until(lambda is_ready=is_ready: _soon(is_ready), PATIENCE_S)  # type: ignore[misc] # why: bound per turn

    async def kill(self, kind: str) -> str:
        """Kill one of a kind, or two of any, and say what was done."""
        if kind in ("valkey with loss", "valkey wiped"):
            self.actors["valkey"].kill()
            lost = self._lose_the_last_second() if kind == "valkey with loss" else self._wipe()
            return f"valkey, {lost} bytes lost"
        names = [f"gateway-{self.chance.randint(1, 2)}" if kind == "gateway" else kind]
        if kind == "two at once":
            names = self.chance.sample(sorted(self.actors), 2)
        for name in names:
            self.actors[name].kill()
        return " + ".join(names)

    async def start_again(self, said: str) -> None:
        """Bring back what was killed."""
        names = said.partition(",")[0].split(" + ")
        await asyncio.gather(*(self.actors[name].start_again(self.log.fileno()) for name in names))

    # ── The append-only file ───────────────────────────────────────────────────────────

    async def watch_file(self) -> None:
        """Note how Valkey's file grows, for ever."""
        while True:
            for file in (self._premises.data / "valkey" / "appendonlydir").glob("*.incr.aof"):
                self._sizes.append((time.monotonic(), file, file.stat().st_size))
            await asyncio.sleep(0.1)

    def _lose_the_last_second(self) -> int:
        now = time.monotonic()
        known = [(file, size) for at, file, size in self._sizes if now - at < LOST_S]
        if not known:
            return 0
        file, size = self.chance.choice(known)
        lost = file.stat().st_size - size
        with file.open("r+b") as data:
            data.truncate(size)
        return lost

    def _wipe(self) -> int:
        """Delete all that Valkey has on its disk."""
        files = [file for file in (self._premises.data / "valkey").rglob("*") if file.is_file()]
        kept = [file for file in files if file.suffix in (".aof", ".rdb", ".manifest")]
        lost = sum(file.stat().st_size for file in kept)
        for file in kept:
            file.unlink()
        return lost

    def keep_log(self) -> None:
        """Keep what the processes said, and say where."""
        kept = Path(tempfile.gettempdir()) / "xerotier-chaos.log"
        kept.write_bytes((self.folder / "chaos.log").read_bytes())
        print(f"what the processes said: {kept}")

    def close(self) -> None:
        """End everything that still runs."""
        for actor in reversed(self.actors.values()):
            if actor.child.poll() is None:
                actor.kill()
        self.valkey.close()
        self.log.close()
        databases.remove(self._premises.sockets)


async def _soon(question: Callable[[], bool]) -> bool:
    # It asks over HTTP and waits: not in the loop that serves the callers.
    return await asyncio.to_thread(question)


async def until(question: Callable[[], Awaitable[bool]], patience_s: float) -> bool:
    """Ask until it is so; say whether it was in time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if await question():
            return True
        await asyncio.sleep(0.1)
    return False
