"""The start of a platform, step by step, and its end."""

from __future__ import annotations

import http.client
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from xerotier_site.embedded import (
    agent,
    databases,
    engines,
    envfile,
    logbook,
    parts,
    secretfile,
    valkey,
)
from xerotier_site.embedded.agent import Served
from xerotier_site.embedded.faults import CannotStart, PartFailed
from xerotier_site.embedded.home import Home
from xerotier_site.embedded.knobs import Knobs
from xerotier_site.embedded.process import Account, Command, last_line, spawn
from xerotier_site.embedded.supervisor import Supervisor

PLATFORM_FILE = "platform.env"
QUICKSTART_FILE = "quickstart.env"
KEY_FILE = "engine.key"
START_S = 120
"""Both planes are ready in seconds, but not on a machine that does much else."""
SOCKETS, OWN_SOCKETS = "sockets", "own-sockets"
"""Notes of where the databases' sockets are, and the control plane's."""
MACHINE = "xim"
"""The folder of the key and enrolment of the platform's own machine."""
NOT_LET_IN = "machine: "
"""How the line begins that says why the machine can't serve."""


def check_port(knobs: Knobs) -> None:
    """Raise ``CannotStart`` if the port cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            knobs.host, knobs.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as fault:
        raise CannotStart(
            f"Port {knobs.port} of {knobs.host} cannot be used ({fault.strerror}). "
            "Choose another: make run PORT=8001."
        ) from fault


def free_port() -> int:
    """Return a port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> Callable[[], bool]:
    """Return a question: whether this address answers, and well."""
    parts_of_url = urlsplit(url)

    def ask() -> bool:
        connection = http.client.HTTPConnection(parts_of_url.netloc, timeout=2)
        try:
            connection.request("GET", parts_of_url.path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


@dataclass(slots=True)
class Launch:
    """One start. ``missing`` collects, in sentences, what the platform starts without."""

    knobs: Knobs
    home: Home
    account: Account | None
    supervisor: Supervisor
    environment: dict[str, str] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    is_first: bool = False
    has_agent: bool = True

    def run(self) -> None:
        """Bring everything up; the caller prints the banner and watches."""
        kept = secretfile.load_or_make(self.home)
        self._start_databases(kept)
        self._write_platform_file(kept)
        if self.knobs.with_models:
            self._start_engines(kept["ENGINE_KEY"])
        # A short way to the machine's folder: there is a socket in it.
        own = self._fresh_sockets(OWN_SOCKETS, None)
        (own / MACHINE).symlink_to(self.home.folder(MACHINE))
        self._prepare(own / MACHINE)
        self._start_programs(own)

    def _start_databases(self, kept: dict[str, str]) -> None:
        if self.knobs.database_url and self.knobs.valkey_url:
            return
        sockets = self._fresh_sockets(SOCKETS, self.account)
        premises = databases.Premises(self.home.data, sockets, self.account)
        if not self.knobs.database_url:
            logbook.say("Starting PostgreSQL …")
            server = databases.start_postgres(premises, kept["POSTGRES_PASSWORD"])
            self.supervisor.keep_database(server)
            self.environment["DATABASE_URL"] = server.url
        if not self.knobs.valkey_url:
            logbook.say("Starting Valkey …")
            users = {"plane": kept["VALKEY_PLANE"], "control": kept["VALKEY_CONTROL"]}
            server = databases.start_valkey(premises, kept["VALKEY_PASSWORD"], users)
            self.supervisor.keep_database(server)
            urls = {name: valkey.url(sockets, word, name) for name, word in users.items()}
            self.environment["VALKEY_URL"] = urls["control"]
            self.environment["XEROTIER_PLANE_VALKEY_URL"] = urls["plane"]

    def _fresh_sockets(self, name: str, account: Account | None) -> Path:
        note = self.home.file(name)
        if note.is_file():  # Left by a start that was killed.
            databases.remove(Path(note.read_text()))
        sockets = databases.socket_folder(account)
        note.write_text(str(sockets))
        return sockets

    def tidy(self) -> None:
        """Remove what only a running platform needs."""
        for name in (SOCKETS, OWN_SOCKETS):
            note = self.home.file(name)
            if note.is_file():
                databases.remove(Path(note.read_text()))
                note.unlink()

    def _write_platform_file(self, kept: dict[str, str]) -> None:
        hosts = ["localhost", "127.0.0.1", "[::1]", self.knobs.bracketed(self.knobs.host)]
        self.environment |= {
            "DATABASE_URL": self.environment.get("DATABASE_URL", self.knobs.database_url),
            "VALKEY_URL": self.environment.get("VALKEY_URL", self.knobs.valkey_url),
            "XEROTIER_ENV": "development",
            "XEROTIER_HOME": str(self.home.path),
            "XEROTIER_URL": self.knobs.public_url,
            "XEROTIER_HOSTS": ",".join(dict.fromkeys([*hosts, socket.gethostname()])),
            "XEROTIER_DRAIN_DELAY_S": "0",  # No load balancer has to notice first.
            "XEROTIER_GRACE_S": "8",
            **{name: value for name, value in kept.items() if name.startswith("XEROTIER_")},
        }
        about = "The running platform, for manage.py in a second terminal. Written at each start."
        envfile.write(self.home.file(PLATFORM_FILE), self.environment, about=about)

    def _start_engines(self, key: str) -> None:
        key_file = self.home.file(KEY_FILE)
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        for found in engines.find(self.home.folder("models"), self._run_in_sight):
            if isinstance(found, engines.Absent):
                self.missing.append(found.reason)
                continue
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            engine = found.engine
            part = engine.part(port, found.place, key_file, answers(f"{url}/health"))
            self.supervisor.start(part)
            self.served.append(Served(part, engine.kind, f"{url}/v1", engine.model))

    def _run_in_sight(self, argv: list[str]) -> tuple[int, str]:
        with tempfile.TemporaryFile() as complaints:
            child = spawn(Command(argv), output=None, complaints=complaints.fileno())
            code = self.supervisor.see_through(child)
            complaints.seek(0)
            return code, complaints.read().decode(errors="replace")

    def _prepare(self, machine: Path) -> None:
        logbook.say("Bringing the database up to date …")
        argv = [sys.executable, "manage.py", "first_run", "--url", self.knobs.public_url]
        argv += ["--quickstart", str(self.home.file(QUICKSTART_FILE))]
        argv += ["--machine", str(machine), "--own-url", self.knobs.own_url]
        for one in self.served:
            argv += ["--serves", one.model]
        command = Command(argv, parts.environment(self.home.path), folder=parts.ROOT)
        log = self.supervisor.logs / "first-run.log"
        with log.open("wb") as file:
            code = self.supervisor.see_through(spawn(command, output=file.fileno()))
        text = log.read_text(errors="replace")
        said = last_line(text)
        if code:
            raise PartFailed(f"The database cannot be brought up to date: {said}")
        self.is_first = "created" in said
        for line in text.splitlines():
            if line.startswith(NOT_LET_IN):
                self.missing.append(line.removeprefix(NOT_LET_IN))
                self.has_agent = False

    def _start_programs(self, own: Path) -> None:
        logbook.say("Starting the server …")
        # Not where the databases' user could reach it: whoever may, speaks for any caller.
        place = own / "control.sock"
        control = parts.control(self.home.path, place)
        self.supervisor.start(control, shows=logbook.what_a_person_wants)
        server = parts.server(self.knobs, place, answers(f"{self.knobs.own_url}/readyz"))
        self.supervisor.start(server, shows=logbook.what_a_person_wants)
        # With it, because nobody is served before limits and money are in Valkey.
        self.supervisor.start(parts.consumer(self.home.path))
        for name in self.supervisor.wait_for(["control", "server"], patience_s=START_S):
            said = self.supervisor.last_words(name)
            raise PartFailed(f"The {name} did not become ready: {said}")
        self._start_agent(own / MACHINE)
        # Only now: what people wait for is not to share the processor with these.
        self.home.folder("beat")
        for part in parts.background(self.home.path):
            self.supervisor.start(part)

    def _start_agent(self, machine: Path) -> None:
        names = [one.part.name for one in self.served]
        if self.served and self.has_agent:
            part = agent.part(machine, self.served, self.home.file(KEY_FILE))
            self.supervisor.start(part)
            names.append(part.name)
        for name in self.supervisor.wait_for(names, patience_s=30):
            self.missing.append(f"The {name} does not run: {self.supervisor.last_words(name)}")
