"""One link over its WebSocket: reads, writes, beats, and answers, until it ends."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from xim import __version__
from xim.link import endings, frames, messages, timing
from xim.link.dialling import UNSENT_MAX, declined, keep_little_in_the_kernel, words_of
from xim.link.endings import Ending, Next
from xim.link.frames import Code, Kind, ProtocolFault
from xim.link.messages import Assignment, Challenge, Drain, Welcome
from xim.link.session import Intake, OpenStream, Session
from xim.link.stream import Stream
from xim.link.turns import Outflow

log = logging.getLogger("xim.link")

WATCH_S = 0.5
HANDSHAKE_S = 10.0
STATE_MAX = 8 << 10


class Node(Protocol):
    """The machine behind all links."""

    def hello(self, challenge: Challenge, epoch: int) -> bytes:
        """Return the payload of a HELLO."""

    def state(self) -> dict[str, Any]:
        """Return all that a STATE says but ``seq`` and ``facts``."""

    def facts(self) -> dict[str, Any]:
        """Return what is to be known of the machine itself."""

    def assigned(self, assignment: Assignment) -> None:
        """Hear what the platform wants of this machine."""

    async def answer(self, stream: Stream) -> None:
        """Answer a request."""


class Duplicate(Exception):
    """The balancer led to a gateway that we have a link to."""


@dataclass(slots=True)
class Where:
    """What to dial, and whom to trust there."""

    address: str
    trust: ssl.SSLContext | None


@dataclass(slots=True)
class Life:
    """What happened when on a link."""

    now: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)


class Connection:
    """A link; ``run`` returns how it ended, and lets nothing of it live on."""

    def __init__(
        self,
        node: Node,
        epoch: int,
        life: Life,
        *,
        is_held: Callable[[str], bool] = lambda _: False,
        on_welcome: Callable[[Connection], None] = lambda _: None,
        on_count: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.gateway = ""
        self.session = Session(self, life.now)
        self.leaving = asyncio.Event()
        """Set when no new work comes this way, at the latest at its end."""
        self.spread_s = 0.0
        self.was_drained = False
        self.live_at: float | None = None
        self._node, self._epoch, self._life = node, epoch, life
        self._is_held, self._on_welcome, self._on_count = is_held, on_welcome, on_count
        self._group = asyncio.TaskGroup()
        self._work = asyncio.Event()
        self._changed = asyncio.Event()
        self._heard_at = life.now()
        self._writes_since: float | None = None
        self._seq = 0

    async def run(self, where: Where) -> Ending:
        """Dial, live, and say how it ended."""
        try:
            return await self._dialled(where)
        except Duplicate:
            return Ending(Next.AGAIN, "there is a link to this gateway already", 1.0)
        except InvalidStatus as fault:
            return declined(fault)
        except (OSError, TimeoutError, WebSocketException) as fault:
            return Ending(Next.BACK_OFF, f"{where.address} can't be reached: {words_of(fault)}")
        finally:
            self.leaving.set()

    async def _dialled(self, where: Where) -> Ending:
        async with connect(
            where.address,
            ssl=where.trust if where.address.startswith("wss:") else None,
            compression=None,
            max_size=131_072,
            max_queue=16,
            write_limit=UNSENT_MAX,
            ping_interval=None,
            open_timeout=HANDSHAKE_S,
            close_timeout=2,
            proxy=True,
            user_agent_header=f"xim/{__version__}",
        ) as wire:
            keep_little_in_the_kernel(wire)
            self._heard_at = self._life.now()
            try:
                await self._lived(wire)
            except ExceptionGroup as faults:
                return await self._closed(wire, faults.exceptions[0])
        return endings.LOST

    async def _lived(self, wire: ClientConnection) -> None:
        async with self._group as group:
            group.create_task(self._read(wire))
            group.create_task(self._write(wire))
            group.create_task(self._beat())
            group.create_task(self._watch(wire))

    async def _closed(self, wire: ClientConnection, fault: BaseException) -> Ending:
        if isinstance(fault, ProtocolFault):
            log.warning("link closed gateway=%s code=%d %s", self.gateway, fault.close_code, fault)
            await wire.close(fault.close_code, str(fault)[:100])
            return endings.ending_of(fault.close_code)
        if isinstance(fault, Duplicate):
            await wire.close()  # In good order: nobody has done anything wrong.
        if isinstance(fault, ConnectionClosed):
            return endings.ending_of(fault.rcvd.code if fault.rcvd else wire.close_code)
        raise fault

    async def _read(self, wire: ClientConnection) -> None:
        while True:
            message = await wire.recv()
            self._heard_at = self._life.now()
            if isinstance(message, str):
                raise ProtocolFault("text where frames are binary", 1003)
            self.session.receive(message)
            self._work.set()

    async def _write(self, wire: ClientConnection) -> None:
        while True:
            self._work.clear()
            while batch := self._batch():
                self._writes_since = self._life.now()
                async with wire.send_context():
                    for message, _ in batch:
                        wire.protocol.send_binary(message)
                    # What one turn of the loop has brought goes in one write.
                    wire.transport.write(b"".join(wire.protocol.data_to_send()))
                self._writes_since = None
                for _, flow in batch:
                    if flow is not None:
                        self._went(flow.number)
            await self._work.wait()

    def _batch(self) -> list[tuple[bytes, Outflow | None]]:
        """Return what goes next, as much as fits between us and the kernel."""
        batch, size = [], 0
        while size < UNSENT_MAX and (turn := self.session.turns.next()) is not None:
            batch.append(turn)
            size += len(turn[0])
        return batch

    def _went(self, number: int) -> None:
        state = self.session.streams.get(number)
        if state is not None and isinstance(state.intake, Stream):
            state.intake.sent()

    async def _beat(self) -> None:
        while self.session.welcome is None:
            await self._changed.wait()
            self._changed.clear()
        while True:
            self._say_state()
            wait = timing.beat_s(self.session.welcome.beat_ms, self._life.chance)
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue
            self._changed.clear()

    def _say_state(self) -> None:
        state = self._node.state() | {"seq": self._seq}
        if self._seq == 0:
            state["facts"] = self._node.facts()
        self._seq += 1
        payload = messages.packed(state)
        while len(payload) > STATE_MAX and (state.pop("facts", None) or state["models"]):
            state["models"] = state["models"][:-1]
            payload = messages.packed(state)
        self.say(frames.encode(Kind.STATE, payload))

    async def _watch(self, wire: ClientConnection) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            now = self._life.now()
            if now - self._heard_at > timing.SILENCE_S:
                raise ProtocolFault("the gateway was silent for too long", 4408)
            if self._writes_since is not None and now - self._writes_since > timing.BLOCKED_S:
                wire.transport.abort()
            if self.leaving.is_set() and not self.session.streams:
                await wire.close(1000, "drained")

    def say(self, frame: bytes) -> None:
        """Have a control frame go out."""
        self.session.turns.say(frame)
        self._work.set()

    def changed(self) -> None:
        """Say the machine's state at once."""
        self._changed.set()

    def renew(self, token: str) -> None:
        """Tell the gateway a renewed token."""
        if self.live_at is not None:
            self.say(frames.encode(Kind.TOKEN, messages.packed({"token": token})))

    def leave(self, reason: str) -> None:
        """Take nothing new; the link ends when what runs has ended."""
        if self.live_at is not None and not self.leaving.is_set():
            content = {"reason": reason, "spread_ms": 0, "last": self.session.last_opened}
            self.say(frames.encode(Kind.DRAIN, messages.packed(content)))
        self.leaving.set()
        self.changed()

    def challenged(self, challenge: Challenge) -> bytes:
        """Return the HELLO for a challenge."""
        if self._is_held(challenge.gateway):
            raise Duplicate
        self.gateway = challenge.gateway
        return self._node.hello(challenge, self._epoch)

    def welcomed(self, welcome: Welcome) -> None:
        """Note that the link is live."""
        self.live_at = self._life.now()
        log.info("link live gateway=%s link=%s state=%s", self.gateway, welcome.link, welcome.state)
        self._on_welcome(self)
        self.changed()

    def assigned(self, assignment: Assignment) -> None:
        """Pass on what the platform wants."""
        self._node.assigned(assignment)
        if assignment.gateways is not None:
            self._on_count(assignment.gateways)

    def drained(self, drain: Drain) -> None:
        """Let the link run out."""
        log.info("gateway leaves gateway=%s reason=%s", self.gateway, drain.reason)
        self.spread_s = drain.spread_ms / 1000
        self.was_drained = True
        self.leaving.set()

    def opened(self, stream: OpenStream) -> Intake:
        """Have a request answered."""
        reader = Stream(self.session, stream, self._work.set)
        task = self._group.create_task(self._answered(reader))
        reader.on_broken = task.cancel
        return reader

    async def _answered(self, stream: Stream) -> None:
        try:
            await self._node.answer(stream)
        except Exception:  # broad on purpose: a fault of ours ends one request and no other
            log.exception("request failed here request=%s", stream.ask.request_id)
            stream.refuse(Code.INTERNAL, "xim failed; its log says how")
