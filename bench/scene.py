"""A platform as ``make run`` starts it, furnished for ``bench.availability``.

The steady caller's endpoint is on a paid tier whose limits are far away; the crowd's is free,
as any stranger's would be. A mock engine answers both at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import machine
from bench.gateways import MOCK_PORTS, upstream

ROOT = Path(__file__).resolve().parents[1]
LAST_LINE = "Ctrl-C stops everything."
PATIENCE_S = 180
BODY = (machine.HERE / "bodies" / "plain.json").read_bytes()
FURNISH = f"""
from agents.services import Enrolment, add_worker
from catalog import selectors as catalog
from catalog.services import set_terms
from endpoints.services import NewEndpoint, open_endpoint
from projects.models import Project
from accounts.models import User
from publisher.services import reconcile

model = catalog.listed_model("smollm2-135m-instruct")
tier = catalog.offered_tier("cpu_amd_optimized")
add_worker(Enrolment(
    name="mock", url="http://127.0.0.1:{MOCK_PORTS[0]}/v1", model_name=model.name,
    operations=["chat/completions"], tiers=["free", tier.slug],
))
set_terms(tier=tier, numbers=dict(
    price_per_million=1, tokens_per_min=10**9, requests_per_min=10**6, concurrent=1000,
    request_timeout_s=60, idle_timeout_s=60, priority=20,
))
project = Project.objects.get()
new = NewEndpoint(project=project, slug="steady", model=model, tier=tier)
open_endpoint(new, opened_by=User.objects.get())
reconcile()
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the platform is, and what opens it."""

    url: str
    project: str
    key: str

    @property
    def steady_path(self) -> str:
        """The endpoint of the caller who is measured."""
        return f"/{self.project}/steady/v1/chat/completions"

    @property
    def other_path(self) -> str:
        """The free endpoint that the crowd has."""
        return f"/{self.project}/chat/v1/chat/completions"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the platform."""
        return await asyncio.open_connection("127.0.0.1", urlsplit(self.url).port)

    def inference_head(self, path: str, length: int) -> bytes:
        """Return the head of a POST to an endpoint."""
        return self._head("POST", path, length, f"Authorization: Bearer {self.key}\r\n")

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        extra: str = "",
        kind: str = "application/json",
    ) -> bytes:
        """Return a whole request of nobody's."""
        return self._head(method, path, len(body), extra, kind) + body

    async def ask(self, lane: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> int:
        """Ask the steady endpoint once; return the status."""
        reader, writer = lane
        writer.write(self.inference_head(self.steady_path, len(BODY)) + BODY)
        head, _ = await self.read(reader)
        return int(head[9:12])

    async def read(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        """Read one answer: its head and its body."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if length is not None:
            return head, await reader.readexactly(int(length[1]))
        if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head) is None:
            return head, b""
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return head, body

    async def take(self, reader: asyncio.StreamReader) -> bool:
        """Read one answer and forget it; say whether the connection stays open."""
        head, _ = await self.read(reader)
        return b"connection: close" not in head.lower()

    def _head(
        self, method: str, path: str, length: int, extra: str, kind: str = "application/json"
    ) -> bytes:
        host = urlsplit(self.url).netloc
        lines = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}"
        body = f"Content-Type: {kind}\r\nContent-Length: {length}\r\n" if length else ""
        return f"{lines}{body}\r\n".encode()


@contextlib.contextmanager
def furnished() -> Iterator[Scene]:
    """Run a platform with a mock engine, and take all of it away again."""
    home = Path(tempfile.mkdtemp(prefix="xb-"))
    home.chmod(0o711)
    logs = machine.BUILD / "logs"
    logs.mkdir(exist_ok=True)
    port = 28400
    environment = {
        **{name: value for name, value in os.environ.items() if "XEROTIER" not in name},  # noqa: TID251 - handed on
        "XEROTIER_HOME": str(home / "home"),
        "XEROTIER_MODEL": "0",
        "PORT": str(port),
    }
    try:
        with upstream(logs), (logs / "platform.log").open("wb") as log:
            platform = subprocess.Popen(
                [sys.executable, "-m", "xerotier_site.embedded"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                _wait(platform, logs / "platform.log")
                yield _furnish(home / "home", environment)
            finally:
                platform.terminate()
                platform.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait(platform: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while LAST_LINE not in log.read_text(errors="replace"):
        if platform.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The platform did not start; see {log}")
        time.sleep(0.2)


def _furnish(home: Path, environment: dict[str, str]) -> Scene:
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", FURNISH],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    lines = (home / "quickstart.env").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    plain = {
        name: json.loads(value) if value[:1] == '"' else value.strip("'")
        for name, value in said.items()
    }
    time.sleep(2)
    return Scene(plain["XEROTIER_URL"], plain["XEROTIER_PROJECT"], plain["OPENAI_API_KEY"])
