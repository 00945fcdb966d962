"""Workers that are agents (``ports.Transport``): requests go over the link that an agent keeps.

An agent without a link here that takes work may have one elsewhere: then another transport is
asked, if there is one (``elsewhere``). Nothing is spent on that where there is a link.
"""

from __future__ import annotations

import re
from typing import Final

from inference.contracts.agents import READY, SLEEPING
from inference.contracts.entries import Worker
from inference.fleet.load import Load
from inference.fleet.ports import Answer, Call, Connections, Transport
from inference.fleet.refused_call import RefusedCall
from inference.fleet.tunnel import closing, frames, messages
from inference.fleet.tunnel.heads import request_id_of
from inference.fleet.tunnel.link import Link
from inference.fleet.tunnel.links import Links
from inference.http.lines import Lines

_VISIBLE: Final = re.compile(r"/[!-~]*").fullmatch


class TunnelTransport(Transport):
    """See the module."""

    def __init__(self, links: Links, elsewhere: Transport | None = None) -> None:
        self._links = links
        self._elsewhere = elsewhere
        self._is_closed = False

    def carries(self, worker: Worker) -> bool:
        """Take agents."""
        return bool(worker.agent)

    def ask(
        self,
        worker: Worker,
        path: str,
        lines: Lines,
        body: bytes | None,
        answer: Answer,
        load: Load,
    ) -> Call:
        """Ask for a path below the OpenAI base of the agent."""
        link = self._links.best(worker.agent)
        if link is not None and not self._is_closed:
            asked = ("POST", path, worker.served_name)
            return self._open(link, asked, lines, body, (answer, load))
        if self._elsewhere is not None:
            return self._elsewhere.ask(worker, path, lines, body, answer, load)
        return RefusedCall(answer, f"agent {worker.agent} has no link here that takes work")

    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Ask an agent for its models."""
        link = self._links.best(worker.agent)
        if link is not None and not self._is_closed:
            return self._open(link, ("GET", "/models", ""), b"", b"", (answer, Load()))
        if self._elsewhere is not None:
            return self._elsewhere.probe(worker, answer)
        return RefusedCall(answer, f"agent {worker.agent} has no link here that takes work")

    def is_open(self, worker: Worker) -> bool:
        """Say whether its agent has a link that takes work, and the model is ready or sleeps."""
        served = self._links.served(worker.agent, worker.served_name)
        if served is not None:
            return served.status in (READY, SLEEPING)
        other = self._other(worker)
        return other is not None and other.is_open(worker)

    def running(self, worker: Worker) -> int:
        """Return how many requests the machine runs with this model, for whomever."""
        served = self._links.served(worker.agent, worker.served_name)
        if served is not None:
            return served.running
        other = self._other(worker)
        return 0 if other is None else other.running(worker)

    def is_full(self, worker: Worker) -> bool:
        """Say whether its machine, whose places all its models share, has none; or it sleeps."""
        served = self._links.served(worker.agent, worker.served_name)
        if served is not None:
            return served.status == SLEEPING or self._links.is_full(worker.agent)
        other = self._other(worker)
        return other is not None and other.is_full(worker)

    def detour(self, worker: Worker) -> str:
        """Say whether its agent would be asked by way of another gateway, and has room."""
        other = self._other(worker)
        return "" if other is None else other.detour(worker)

    def connections(self) -> Connections:
        """Count links; those without a request are idle."""
        links = self._links.every()
        idle = sum(not link.streams for link in links)
        if self._elsewhere is None:
            return Connections(len(links), idle, self._links.counts.opened)
        others = self._elsewhere.connections()
        made = self._links.counts.opened + others.made
        return Connections(len(links) + others.open_count, idle, made)

    def close(self) -> None:
        """End every link. What was in flight fails as reset."""
        self._is_closed = True
        self._links.close(closing.RESTART, "the gateway stops")
        if self._elsewhere is not None:
            self._elsewhere.close()

    def _other(self, worker: Worker) -> Transport | None:
        """Return what asks an agent that has no link here that takes work."""
        return self._elsewhere if self._links.best(worker.agent) is None else None

    def _open(
        self,
        link: Link,
        asked: tuple[str, str, str],
        lines: Lines,
        body: bytes | None,
        told: tuple[Answer, Load],
    ) -> Call:
        method, path, model = asked
        answer, load = told
        if _VISIBLE(path) is None:
            return RefusedCall(answer, "a path must not contain spaces or control characters")
        wait_ms = int(self._links.config.first_byte_s * 1000)
        length = -1 if body is None else len(body)
        request = (request_id_of(lines), wait_ms, model)
        head = messages.open_head(method, path, lines, length, request)
        if len(head) > frames.OPEN_HEAD_MAX:
            return RefusedCall(answer, "the head of the request is too large for a frame")
        return link.streams.ask(load, head, body, answer)
