"""A machine for the install page: its databases from the wheels, its paths in one folder."""

from __future__ import annotations

import json
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from inference.tests import certificates
from tests.mail.server import PASSWORD, USER, Post, post_office
from tests.platform import ROOT, clean_environment
from tests.run.page import Block, environment, unit
from tests.tools.nginx import nginx
from xerotier_site.embedded import binaries, databases, valkey
from xerotier_site.embedded.launch import free_port
from xerotier_site.embedded.process import Command, lesser_account, spawn, stop, wait_until

SITE = """
daemon off; master_process off; pid @FOLDER@/pid; error_log @FOLDER@/error.log;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path @FOLDER@/body; proxy_temp_path @FOLDER@/proxy;
  include @FOLDER@/site;
}
"""
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Paris is."},
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


class Engine(BaseHTTPRequestHandler):
    """A model that knows one answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say which model it is."""
        self._say({"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["content-length"]))
        self._say(ANSWER)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def _say(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Box:
    """The machine while the page is carried out on it."""

    folder: Path
    sockets: Path
    authority: certificates.Authority
    post: Post
    engine: int
    gateway: int = field(default_factory=free_port)
    control: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.tls}"

    @property
    def instead(self) -> dict[str, str]:
        """Return what stands here for what the page names."""
        mail = f"smtps://{USER.replace('@', '%40')}:{_quoted(PASSWORD)}@localhost:{self.post.port}"
        certificate = str(self.folder / "localhost.pem")
        return {
            "https://ai.example.com": self.url,
            "smtps://MAIL-USER:MAIL-PASSWORD@mail.example.com:465": mail,
            "server_name ai.example.com": "server_name localhost",
            "no-reply@ai.example.com": "no-reply@example.com",
            "ai.example.com": "localhost",
            "listen 443 ssl": f"listen 127.0.0.1:{self.tls} ssl",
            "/etc/ssl/xerotier/fullchain.pem": certificate,
            "/etc/ssl/xerotier/privkey.pem": certificate,
            "/etc/": f"{self.folder}/etc/",
            "/var/lib/xerotier": f"{self.folder}/var",
            "/run/postgresql": str(self.sockets),
            "/run/valkey/valkey.sock": str(self.sockets / valkey.SOCKET),
            "/opt/xerotier/.venv/bin/python": sys.executable,
            ".venv/bin/python": sys.executable,
            "/opt/xerotier": str(ROOT),
            "127.0.0.1:8000": f"127.0.0.1:{self.gateway}",
            "--port 8000": f"--port {self.gateway}",
            "127.0.0.1:8001": f"127.0.0.1:{self.control}",
            "--port 8001": f"--port {self.control}",
            "127.0.0.1:8100": f"127.0.0.1:{self.engine}",
            **{f"{name}-PASSWORD": f"{name.lower()}{self._salt}" for name in _NAMES},
        }

    _salt: str = field(default_factory=lambda: secrets.token_hex(8))

    def write(self, block: Block) -> Path:
        """Write a file of the page's."""
        place = self.folder / block.file.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(block.text)
        return place

    def bash(self, text: str) -> str:
        """Run commands of the page's; each has to succeed. Return what they said."""
        done = subprocess.run(  # noqa: S603 - our own page
            ["/bin/bash", "-e", "-c", text],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def sql(self, text: str, admin: str) -> None:
        """Run statements as PostgreSQL's own superuser."""
        with psycopg.connect(admin, autocommit=True) as connection:
            for statement in filter(str.strip, text.split(";")):
                connection.execute(statement.encode())

    def start_valkey(self, lines: str) -> None:
        """Start a Valkey with the page's lines."""
        config = self.folder / "etc" / "valkey" / "valkey.conf"
        config.write_text(f"dir {self.folder}\n{lines}")
        child = self._start([str(binaries.valkey_server()), str(config)], "valkey")
        wait_until(lambda: valkey.is_ready(self.sockets), child=child, what="Valkey")

    def start_unit(self, name: str, text: str) -> None:
        """Start what a unit would start, as it would: with its folder, its file and no more."""
        said = unit(text)
        known = environment(Path(said["EnvironmentFile"]).read_text())
        assert said["Restart"] == "always"
        self._start(shlex.split(said["ExecStart"]), name, known, Path(said["WorkingDirectory"]))

    def start_nginx(self, site: str) -> None:
        """Start nginx with the page's server."""
        (self.folder / "site").write_text(site)
        config = self.folder / "nginx.conf"
        config.write_text(SITE.replace("@FOLDER@", str(self.folder)))
        error = str(self.folder / "nginx-error.log")
        self._start(
            [nginx() or "", "-c", str(config), "-p", str(self.folder), "-e", error], "nginx"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return what every program here starts with: it trusts the authority of this test."""
        return {**clean_environment(), "SSL_CERT_FILE": str(self.folder / "authority.pem")}

    def last_words(self) -> str:
        """Return the ends of all logs, for a test that fails."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in logs)

    def _start(
        self,
        argv: list[str],
        name: str,
        more: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            # A child has our environment, too, and in that pytest names its own settings.
            known = {"DJANGO_SETTINGS_MODULE": "xerotier_site.settings", **self.environment}
            command = Command(argv, {**known, **(more or {})}, folder=folder)
            self.programs.append(spawn(command, output=log.fileno()))
        return self.programs[-1]

    def stop(self) -> None:
        """Stop everything, the last first."""
        for child in reversed(self.programs):
            stop(child, signal.SIGTERM, patience_s=20)


_NAMES = ("DATABASE", "PLANE", "CONTROL")


def _quoted(word: str) -> str:
    # A slip here would be one on the page: it says to escape as in any URL.
    return "".join(one if one.isalnum() else f"%{ord(one):02X}" for one in word)


@contextmanager
def machine(folder: Path) -> Iterator[tuple[Box, str]]:
    """Lend a machine, and the address of its PostgreSQL's superuser."""
    account = lesser_account()
    sockets = databases.socket_folder(account)
    authority = certificates.authority(folder)
    context = authority.server("localhost")
    (folder / "authority.pem").write_bytes(certificates._pem(authority.certificate))
    (folder / "etc" / "xerotier" / "secrets").mkdir(parents=True)
    (folder / "var").mkdir()
    with ExitStack() as ends:
        ends.callback(databases.remove, sockets)
        premises = databases.Premises(sockets / "data", sockets, account, durable=False, output=-3)
        server = databases.start_postgres(premises, secrets.token_hex(16))
        ends.callback(server.stop)
        post = ends.enter_context(post_office(tls=context, asks=True))
        engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
        ends.callback(engine.server_close)
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        ends.callback(engine.shutdown)
        box = Box(folder, sockets, authority, post, engine.server_address[1])
        ends.callback(box.stop)
        yield box, server.url


def until_it_works(box: Box, commands: str, patience_s: float) -> str:
    """Run commands again until they succeed: programs take a moment to be ready."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return box.bash(commands)
        except AssertionError as fault:
            if time.monotonic() > deadline:
                raise AssertionError(f"{fault}\n{box.last_words()}") from None
            time.sleep(0.5)
