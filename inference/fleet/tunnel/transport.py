"""Workers that are agents (``ports.Transport``): requests go over the link that an agent keeps."""

from __future__ import annotations

import re
from typing import Final

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

    def __init__(self, links: Links) -> None:
        self._links = links
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
        if link is None or self._is_closed:
            return RefusedCall(answer, f"agent {worker.agent} has no link here that takes work")
        return self._open(link, ("POST", path, worker.served_name), lines, body, (answer, load))

    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Ask an agent for its models."""
        link = self._links.best(worker.agent)
        if link is None or self._is_closed:
            return RefusedCall(answer, f"agent {worker.agent} has no link here that takes work")
        return self._open(link, ("GET", "/models", ""), b"", b"", (answer, Load()))

    def is_open(self, worker: Worker) -> bool:
        """Say whether its agent has a link that takes work, and the model is ready or sleeps."""
        served = self._links.served(worker.agent, worker.served_name)
        return served is not None and served.status in (messages.READY, messages.SLEEPING)

    def running(self, worker: Worker) -> int:
        """Return how many requests the machine runs with this model, for whomever."""
        served = self._links.served(worker.agent, worker.served_name)
        return 0 if served is None else served.running

    def is_full(self, worker: Worker) -> bool:
        """Say whether its machine, whose places all its models share, has none; or it sleeps."""
        served = self._links.served(worker.agent, worker.served_name)
        if served is not None and served.status == messages.SLEEPING:
            return True
        return self._links.is_full(worker.agent)

    def connections(self) -> Connections:
        """Count links; those without a request are idle."""
        links = self._links.every()
        idle = sum(not link.streams for link in links)
        return Connections(len(links), idle, self._links.counts.opened)

    def close(self) -> None:
        """End every link. What was in flight fails as reset."""
        self._is_closed = True
        self._links.close(closing.RESTART, "the gateway stops")

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
