"""Where other gateways ask this one for agents whose link is here (internal listener).

No caller reaches it: it is a socket in a folder that only this user may open, or an address that an
operator has named for gateways; and whoever connects has to prove that it is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from inference.contracts.entries import Worker
from inference.fleet.hop.answering import AnsweringEnd, Host
from inference.fleet.hop.proof import Keys
from inference.fleet.hop.transport import UNIX
from inference.fleet.hop.wire import Question
from inference.fleet.load import Load
from inference.fleet.ports import Answer, Call, Transport, WorkerFailed

HERE: Final = "local"
"""What names a listener for gateways of this machine and user."""
PATIENCE_S: Final = 5.0
UNMET_MAX: Final = 256
"""Connections that have not proven what they are; more are closed at once."""
PREFIX: Final = "xt-hop-"
HOME_MAX: Final = 80
"""Bytes of a folder's name, so that the socket's own has room: a kernel takes 107 in all."""
PORTS: Final = 64
"""Processes of one machine that share a setting take ports one after another."""


class HopHost(Host):
    """See the module. ``links`` asks agents over links of ours, and by no other way."""

    def __init__(
        self,
        name: str,
        keys: Keys,
        links: Transport,
        is_leaving: Callable[[], bool],
        body_max: int,
    ) -> None:
        self.name = name.encode()
        self.body_max = body_max
        self.patience_s = PATIENCE_S
        self.unmet_max = UNMET_MAX
        self.served = 0
        self.refused: dict[str, int] = {}
        self._keys = keys
        self._links = links
        self._is_leaving = is_leaving
        self._unmet: set[AnsweringEnd] = set()
        self._met: set[AnsweringEnd] = set()
        self._server: asyncio.Server | None = None
        self._folder = ""

    @property
    def running(self) -> int:
        """Return how many requests of other gateways there are."""
        return len(self._met)

    # ── The listener ───────────────────────────────────────────────────────────────────

    async def open(self, where: str, home: str = "") -> str:
        """Listen, and return the address; a socket lies below ``home``. Raises ``OSError``."""
        if where == HERE:
            return await self._open_here(home)
        host, _, said = where.rpartition(":")
        port = int(said)
        for tried in range(port, port + PORTS if port else 1):
            with contextlib.suppress(OSError):
                return await self._open_at(host, tried)
        return await self._open_at(host, port)

    async def _open_here(self, home: str) -> str:
        self._folder = _make_folder(home)
        path = f"{self._folder}/s"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: AnsweringEnd(self), path)
        return UNIX + path

    async def _open_at(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        self._server = server = await loop.create_server(
            lambda: AnsweringEnd(self), host.strip("[]"), port
        )
        return f"{host}:{server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Listen no more, and break off what runs."""
        if self._server is not None:
            self._server.close()
        for end in [*self._met, *self._unmet]:
            end.transport.abort()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    # ── What connections ask ───────────────────────────────────────────────────────────

    def sign(self, *parts: bytes) -> bytes:
        """Prove that this is a gateway."""
        return self._keys.prove(*parts)

    def believe(self, proof: bytes, *parts: bytes) -> bool:
        """Say whether a gateway asks this."""
        return self._keys.believe(proof, *parts)

    def refusal(self, question: Question) -> WorkerFailed | None:
        """Say why a question can't be asked here, if it can't."""
        if self._is_leaving():
            return WorkerFailed("connect", "the gateway with its link stops", is_declined=True)
        if not self._links.is_open(_worker(question)):
            return WorkerFailed("connect", "the gateway with its link has lost it")
        return None

    def ask(self, question: Question, body: bytes | None, answer: Answer) -> Call:
        """Ask the agent, over a link of ours."""
        self.served += 1
        worker = _worker(question)
        if question.is_probe:
            return self._links.probe(worker, answer)
        return self._links.ask(worker, question.path, question.lines, body, answer, Load())

    # ── What connections say ───────────────────────────────────────────────────────────

    def opened(self, end: AnsweringEnd) -> None:
        """Let one more wait for its proof, unless too many do."""
        if len(self._unmet) >= self.unmet_max:
            self.count("crowd")
            end.transport.abort()
            return
        self._unmet.add(end)
        sock = end.transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def met(self, end: AnsweringEnd) -> None:
        """Learn that a gateway is at the other end."""
        self._unmet.discard(end)
        self._met.add(end)

    def closed(self, end: AnsweringEnd) -> None:
        """Forget one."""
        self._unmet.discard(end)
        self._met.discard(end)

    def count(self, what: str) -> None:
        """Count what was refused."""
        self.refused[what] = self.refused.get(what, 0) + 1


def is_reachable(address: str) -> bool:
    """Say whether an address may lead anywhere from here; a socket of another machine doesn't."""
    return not address.startswith(UNIX) or Path(address.removeprefix(UNIX)).is_socket()


def _make_folder(home: str) -> str:
    """Make a folder for one socket, which others of this user may open and nobody else."""
    home = str(Path(home).resolve()) if home else ""
    if home and len(home.encode()) <= HOME_MAX:
        with contextlib.suppress(OSError):  # Not there, or not ours: then where all may write.
            _sweep(Path(home))
            return tempfile.mkdtemp(prefix=PREFIX, dir=home)
    return tempfile.mkdtemp(prefix=PREFIX)


def _sweep(home: Path) -> None:
    """Remove what gateways left that were killed: nobody listens there any more.

    Asked with a socket of another kind, so that one who listens is not connected with.
    """
    for folder in home.glob(f"{PREFIX}*"):
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe,
            contextlib.suppress(OSError),
        ):
            if probe.connect_ex(str(folder / "s")) == errno.ECONNREFUSED:
                shutil.rmtree(folder, ignore_errors=True)


def _worker(question: Question) -> Worker:
    return Worker("", "", "", (), served_name=question.model, agent=question.agent)
