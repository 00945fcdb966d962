"""Scripted workers that are agents of this very process: nothing lies between but a transport."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.load import Load
from inference.fleet.null_answer import NULL_ANSWER
from inference.fleet.ports import Answer, Call, Connections, Transport, WorkerFailed
from inference.fleet.refused_call import RefusedCall
from inference.http.lines import Headers, Lines
from inference.tests.carried import Script, Stage, Turn
from inference.tests.interpreted import skip_if_compiled

skip_if_compiled()

HEADERS: Headers = [(b"content-type", b"text/event-stream")]
ROOM = 4
"""Pieces of a streamed body that may lie here, untaken."""


class LocalCall:
    """``ports.Call``: the end of whoever asked."""

    def __init__(self, load: Load, body: bytes | None, answer: Answer) -> None:
        self.answer = answer
        self.untaken = deque([] if body is None else [body])
        self.is_whole = body is not None
        self.pushes = asyncio.Event()
        self.pushes.set()
        self.news = asyncio.Event()
        self.turn: LocalTurn | None = None
        self._load = load
        load.asked += 1
        load.in_flight += 1

    @property
    def is_over(self) -> bool:
        return self.answer is NULL_ANSWER

    def write(self, data: bytes) -> bool:
        if self.is_whole or self.is_over:
            return True
        self.untaken.append(data)
        self.news.set()
        return len(self.untaken) < ROOM

    def end(self) -> None:
        self.is_whole = True
        self.news.set()

    def pause(self) -> None:
        self.pushes.clear()

    def resume(self) -> None:
        self.pushes.set()

    def abort(self) -> None:
        self.over()
        self.pushes.set()
        if self.turn is not None:
            self.turn.gone.set()

    def tell(self, answer: Answer) -> None:
        if not self.is_over:
            self.answer = answer

    def over(self) -> Answer:
        answer, self.answer = self.answer, NULL_ANSWER
        if answer is not NULL_ANSWER:
            self._load.in_flight -= 1
        return answer

    def fail(self, reason: str, why: str) -> None:
        self._load.failed += not self.is_over
        answer = self.over()
        self.abort()
        answer.on_fail(WorkerFailed(reason, why))


class LocalTurn(Turn):
    """The worker's end of a call."""

    def __init__(self, call: LocalCall) -> None:
        super().__init__()
        self._call = call
        call.turn = self

    async def take(self) -> bytes:
        call, taken = self._call, list[bytes]()
        while not call.is_whole or call.untaken:
            taken += call.untaken
            call.untaken.clear()
            call.answer.on_drain()
            call.news.clear()
            if not call.is_whole:
                await call.news.wait()
        return b"".join(taken)

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self._may_push()
            if not self.said:
                self._call.answer.on_head(200, HEADERS)
            if piece:
                self._call.answer.on_data(piece)
            self.said += 1

    async def finish(self) -> None:
        await self._may_push()
        self._call.over().on_end()

    async def break_off(self) -> None:
        self._call.fail("reset", "it broke off")

    async def left(self) -> None:
        await self.gone.wait()

    async def _may_push(self) -> None:
        await asyncio.sleep(0)
        await self._call.pushes.wait()
        if self._call.is_over:
            raise ConnectionResetError


class LocalTransport(Transport):
    """``ports.Transport`` to the agents that it is given scripts of."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self.turns: list[Turn] = []
        self._scripts = scripts
        self._running: dict[asyncio.Task[None], LocalCall] = {}
        self._is_closed = False

    def carries(self, worker: Worker) -> bool:
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
        script = self._scripts.get(worker.agent)
        if script is None or self._is_closed:
            return RefusedCall(answer, "its link is down")
        call = LocalCall(load, body, answer)
        task = asyncio.get_running_loop().create_task(self._play(script, call))
        self._running[task] = call
        task.add_done_callback(self._running.pop)
        return call

    def probe(self, worker: Worker, answer: Answer) -> Call:
        return self.ask(worker, "/models", b"", b"", answer, Load())

    def connections(self) -> Connections:
        return Connections(len(self._running), 0, len(self.turns))

    def close(self) -> None:
        self._is_closed = True
        for task, call in list(self._running.items()):
            task.cancel()
            if not call.is_over:
                call.fail("reset", "the transport was closed")

    async def _play(self, script: Script, call: LocalCall) -> None:
        if call.is_over:
            return
        turn = LocalTurn(call)
        self.turns.append(turn)
        with suppress(ConnectionResetError):
            await script(turn)


@asynccontextmanager
async def carry(script: Script) -> AsyncIterator[Stage]:
    """Reach the worker by the agent that it is."""
    transport = LocalTransport({"agt_1": script})
    fleet = Fleet([transport])
    yield Stage(fleet, agent("w1", "agt_1"), agent("w2", "agt_2"), transport.turns)
    fleet.close()


def agent(worker_id: str, name: str) -> Worker:
    """Return a worker whose address is an agent."""
    return Worker(worker_id, "", "mock", ("chat/completions",), agent=name)
