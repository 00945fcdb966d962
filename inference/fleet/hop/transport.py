"""Agents without a link here (``ports.Transport``): asked by way of a gateway that has one.

A link of our own is always preferred, so what goes this way counts as full: the choice falls on
it where no other worker is free (``tunnel.transport`` asks here for what it can't carry itself).
"""

from __future__ import annotations

import asyncio
from typing import Final

from inference.contracts.entries import Worker
from inference.fleet.hop.asking import AskingEnd
from inference.fleet.hop.call import HopCall
from inference.fleet.hop.directory import Directory, Place
from inference.fleet.hop.proof import Keys
from inference.fleet.hop.wire import STREAMED, Question
from inference.fleet.load import Load
from inference.fleet.ports import (
    FREE,
    FULL,
    Answer,
    Call,
    Connections,
    Transport,
    WorkerFailed,
)
from inference.fleet.refused_call import RefusedCall
from inference.http.lines import Lines

PATIENCE_S: Final = 2.0
"""How long another gateway may take to be connected with, and then to say what it is."""
UNIX: Final = "unix:"
"""How the address of a socket in the file system begins; any other is ``host:port``."""


class HopTransport(Transport):
    """See the module, and ``call.Reach``. One for each event loop; made inside it."""

    def __init__(self, directory: Directory, keys: Keys) -> None:
        self._directory = directory
        self._keys = keys
        self._loop = asyncio.get_running_loop()
        self._calls: set[HopCall] = set()
        self._is_closed = False
        self._made = 0
        self.patience_s = PATIENCE_S

    # ── The transport ──────────────────────────────────────────────────────────────────

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
        """Have the agent asked."""
        length = STREAMED if body is None else len(body)
        question = Question(worker.agent, worker.served_name, path, lines, length)
        return self._ask(question, body, load, answer)

    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Have the agent asked for its models."""
        question = Question(
            worker.agent, worker.served_name, "/models", b"", length=0, is_probe=True
        )
        return self._ask(question, b"", Load(), answer)

    def is_open(self, worker: Worker) -> bool:
        """Say whether a gateway has said that it has a link that takes work for this model."""
        return bool(self._directory.find(worker.agent, worker.served_name))

    def running(self, worker: Worker) -> int:
        """Return how many requests the agent runs with this model, as its gateways have said."""
        places = self._directory.find(worker.agent, worker.served_name)
        return max((place.runs(worker.served_name) or 0 for place in places), default=0)

    def is_full(self, worker: Worker) -> bool:
        """Say that another should be asked first."""
        return True

    def detour(self, worker: Worker) -> str:
        """Say whether its machine has a free place, as its gateways have said."""
        name = worker.served_name
        places = self._directory.find(worker.agent, name)
        return FREE if any(place.has_room(name) for place in places) else FULL

    def connections(self) -> Connections:
        """Count the calls: each has a connection of its own."""
        return Connections(len(self._calls), 0, self._made)

    def close(self) -> None:
        """Break off what runs."""
        self._is_closed = True
        for call in list(self._calls):
            call.on_fail(WorkerFailed("reset", "the fleet was closed"))

    def _ask(self, question: Question, body: bytes | None, load: Load, answer: Answer) -> Call:
        places = self._directory.in_any_order(question.agent, question.model)
        if not places or self._is_closed:
            said = f"agent {question.agent} has no link that takes work, here or elsewhere"
            return RefusedCall(answer, said)
        call = HopCall(self, places, question, body, load, answer)
        self._calls.add(call)
        return call

    # ── What calls say ─────────────────────────────────────────────────────────────────

    def dial(self, call: HopCall, place: Place) -> asyncio.Task[None]:
        """Connect to a gateway; the call hears what comes of it."""
        self._made += 1
        return self._loop.create_task(self._dial(call, place))

    def shun(self, place: Place) -> None:
        """Learn that its gateway can't be reached."""
        self._directory.shun(place.gateway)

    def forget(self, place: Place) -> None:
        """Learn that it has no link of that agent any more."""
        self._directory.forget(place)

    def over(self, call: HopCall) -> None:
        """Forget a call."""
        self._calls.discard(call)

    async def _dial(self, call: HopCall, place: Place) -> None:
        try:
            async with asyncio.timeout(self.patience_s):
                end = AskingEnd(call, place, self._keys, self.patience_s)
                await self._connect(place.address, end)
        except (OSError, TimeoutError) as fault:
            why = str(fault) or "it does not answer"
            failed = WorkerFailed("connect", f"the gateway with its link can't be reached: {why}")
            # Not from in here: the next one may be dialled, and this ends then.
            self._loop.call_soon(lambda: call.on_no_way(failed, is_gone=False))

    async def _connect(self, address: str, end: AskingEnd) -> None:
        if address.startswith(UNIX):
            await self._loop.create_unix_connection(lambda: end, address.removeprefix(UNIX))
        else:
            host, _, port = address.rpartition(":")
            await self._loop.create_connection(lambda: end, host.strip("[]"), int(port))
