"""A link (multiplexed connection): one agent's, as a state machine that is handed time.

``CHALLENGED → VOUCHING → LIVE → LEAVING → CLOSED``. Frames are handed in, messages are taken
out, and whoever has the socket is told when there are some (``Wire``). What an agent says is
judged here: which frame may come when. One that may not ends this link, and no other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from inference.contracts.agents import ACTIVE, AgentEntry
from inference.fleet.tunnel import closing, frames, messages, websocket
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.counts import Counts
from inference.fleet.tunnel.frames import Nonsense
from inference.fleet.tunnel.messages import Hello, State
from inference.fleet.tunnel.outbox import PONG_SLOT, SOCKET_PONG_SLOT, TOKEN_SLOT, Outbox
from inference.fleet.tunnel.pulse import Pulse
from inference.fleet.tunnel.streams import NAMES, Streams
from inference.fleet.tunnel.trust import GONE, UNSURE, Papers, Trust, Vouched, is_signed, proof_of
from inference.fleet.tunnel.windows import Room
from inference.fleet.tunnel.wire import Wire

CHALLENGED: Final = 0
VOUCHING: Final = 1
LIVE: Final = 2
LEAVING: Final = 3  # The agent wants no new streams; those that run go on.
CLOSED: Final = 4

_NOBODY: Final = {
    CHALLENGED: (closing.SILENT, "no HELLO in time"),
    VOUCHING: (closing.OVERLOADED, "nobody could say in time who this is"),
    CLOSED: (0, ""),
}


class Keeper(ABC):
    """What all links of a process share, and who is told what becomes of each.

    ``now`` is the loop's clock, ``clock`` gives Unix seconds.
    """

    config: TunnelConfig
    counts: Counts
    room: Room
    trust: Trust
    gateway: str
    gateways: int
    now: Callable[[], float]
    clock: Callable[[], float]

    @abstractmethod
    def admit(self, link: Link) -> tuple[int, str]:
        """Let a link of a known agent in; a close code and words if that is not to be."""

    @abstractmethod
    def said(self, link: Link) -> None:
        """Learn that an agent has said how it is."""

    @abstractmethod
    def left(self, link: Link, code: int, reason: str) -> None:
        """Learn that a link has ended."""


class Link:
    """See the module. ``said`` is what the agent said last of itself, ``facts`` of its machine.

    ``is_known``: it was proved whose it is, be it over or not. ``is_replaced``: a newer link of
    the same agent is there, and what runs here goes on to its end.
    """

    def __init__(self, keeper: Keeper, wire: Wire, name: str, nonce: bytes, peer: str) -> None:
        now = keeper.now()
        self.name = name
        self.peer = peer
        self.state = CHALLENGED
        self.since = keeper.clock()
        self.hello: Hello
        self.entry: AgentEntry
        self.said: State | None = None
        self.facts: messages.Facts | None = None
        self.is_known = self.is_replaced = False
        self._keeper = keeper
        self._wire = wire
        self._nonce = nonce
        self._papers: Papers
        self._began_at = now
        self._is_renewing = self._has_drained = False
        self.outbox = Outbox()
        self.pulse = Pulse(keeper.config, now)
        config, counts = keeper.config, keeper.counts
        self.streams = Streams(wire, self.outbox, keeper.room, config, counts, keeper.now)
        time_ms = int(keeper.clock() * 1000)
        self._say(frames.CHALLENGE, messages.challenge(keeper.gateway, nonce, time_ms))

    # ── What is known of it ────────────────────────────────────────────────────────────

    @property
    def is_up(self) -> bool:
        """Say whether its agent is known and it has not ended."""
        return self.state in (LIVE, LEAVING)

    def takes_work(self, now: float) -> bool:
        """Say whether a request may begin here now."""
        said, streams = self.said, self.streams
        if self.state != LIVE or said is None or said.drain or self.entry.state != ACTIVE:
            return False
        has_room = len(streams) < self._keeper.config.streams and streams.last < frames.LAST_STREAM
        return has_room and not self.is_replaced and not self.pulse.is_suspect(now)

    # ── What the connection says ───────────────────────────────────────────────────────

    def take(self, message: bytes) -> None:
        """Take a frame."""
        try:
            kind, flags, number = frames.read_head(message)
            payload = message[frames.HEAD_BYTES :]
            if kind in NAMES and self.is_up:
                self.streams.take(kind, flags, number, payload)
            else:
                self._take_own(kind, number, payload)
        except Nonsense as fault:
            self.close(closing.NONSENSE, str(fault))

    def take_out(self, room: int) -> list[bytes]:
        """Return what is to be sent next, about so many bytes."""
        self.streams.open_waiting()
        messages_out = self.outbox.take(room)
        if messages_out:
            self.pulse.said(self._keeper.now())
        return messages_out

    def ping_back(self, payload: bytes) -> None:
        """Answer a ping of the WebSocket itself."""
        self._put_last(SOCKET_PONG_SLOT, websocket.write(websocket.PONG, payload))

    def tick(self, now: float) -> None:
        """See whether something has lasted too long, or is due."""
        code, reason = self._why_end(now)
        if code:
            self.close(code, reason)
        elif self.is_up:
            self._ping(now)
            if self.streams.last >= frames.LAST_STREAM:
                self.drain("this link has no more numbers for streams", 0.0)

    def _why_end(self, now: float) -> tuple[int, str]:
        config = self._keeper.config
        if not self.is_up:
            return _NOBODY[self.state] if now - self._began_at >= config.hello_s else (0, "")
        if self.pulse.is_dead(now) or self._wire.blocked_s(now) >= config.unwritten_s:
            return closing.SILENT, "nothing was heard, or taken, for too long"
        if self._keeper.clock() >= self._papers.ends_at + config.outage_s:
            return closing.UNTRUSTED, "the token ended long ago"
        if self.is_replaced and not self.streams:
            return closing.REPLACED, "a newer link of the same agent took its place"
        return 0, ""

    def close(self, code: int, reason: str) -> None:
        """End it."""
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self.outbox.clear()
        self.streams.end_all(f"the agent's link ended ({code}: {reason})")
        self._wire.shut(code, reason)
        self._keeper.left(self, code, reason)

    # ── What we say ────────────────────────────────────────────────────────────────────

    def heed(self, verdict: str, entry: AgentEntry | None) -> None:
        """Learn what is published of its agent now. What nobody can say changes nothing."""
        if not self.is_up:
            return
        if verdict == GONE:
            self.close(closing.REVOKED, "the agent was revoked")
        elif entry is not None and entry.version > self.entry.version:
            self.entry = entry
            self.assign()

    def assign(self) -> None:
        """Say what holds now, of the agent and of gateways."""
        self._say(frames.ASSIGN, messages.assign(self.entry, self._keeper.gateways))

    def drain(self, reason: str, spread_s: float) -> None:
        """Let the agent go elsewhere. Requests that were let in before may still begin here."""
        if self.is_up and not self._has_drained:
            self._has_drained = True
            said = messages.drain(reason, spread_s, self.streams.last)
            self._say(frames.DRAIN, said)

    def _say(self, kind: int, payload: bytes) -> None:
        self.outbox.put(_message(kind, payload))
        self._wire.send_soon()

    def _put_last(self, slot: int, message: bytes) -> None:
        self.outbox.put_last(slot, message)
        self._wire.send_soon()

    def _ping(self, now: float) -> None:
        mark = self.pulse.ping(now)
        if mark:
            self._say(frames.PING, mark)

    # ── What the agent says ────────────────────────────────────────────────────────────

    def _take_own(self, kind: int, number: int, payload: bytes) -> None:
        if number:
            raise Nonsense(f"no frame of type {kind} may be of a stream now")
        if kind == frames.PING:
            self._put_last(PONG_SLOT, _message(frames.PONG, frames.read_mark(payload)))
        elif kind == frames.PONG:
            self.pulse.pong(frames.read_mark(payload), self._keeper.now())
            self.streams.trip_s = self.pulse.trip_s
        elif kind == frames.HELLO and self.state == CHALLENGED:
            self._on_hello(messages.read_hello(payload))
        elif kind == frames.STATE and self.is_up:
            self._on_state(messages.read_state(payload))
        elif kind == frames.TOKEN and self.is_up and not self._is_renewing:
            self._on_token(messages.read_token(payload))
        elif kind == frames.DRAIN and self.is_up:
            messages.read_drain(payload)
            self.state = LEAVING
            self._keeper.said(self)
        else:
            raise Nonsense(f"no frame of type {kind} may come now")

    def _on_hello(self, hello: Hello) -> None:
        self.hello = hello
        if hello.version != messages.VERSION:
            self.close(closing.OTHER_VERSION, f"only version {messages.VERSION} is spoken here")
            return
        signed = proof_of(self._keeper.gateway, self._nonce, hello.token)
        if not is_signed(hello.key, hello.signature, signed):
            self.close(closing.UNTRUSTED, "the challenge was not signed")
            return
        self.state = VOUCHING
        self._keeper.trust.vouch(hello.token, hello.key, self._on_vouched)

    def _on_vouched(self, vouched: Vouched) -> None:
        papers, entry = vouched.papers, vouched.entry
        if self.state != VOUCHING:
            return
        if papers is None or entry is None or vouched.verdict == GONE:
            self._refuse(vouched.verdict)
            return
        self._papers, self.entry, self.state = papers, entry, LIVE
        self.is_known = True
        code, words = self._keeper.admit(self)
        if code:
            self.close(code, words)
            return
        keeper = self._keeper
        welcome = messages.welcome(self.name, entry, keeper.gateways, keeper.config)
        self._say(frames.WELCOME, welcome)
        self.assign()
        self._ping(keeper.now())

    def _refuse(self, verdict: str) -> None:
        if verdict == GONE:
            self.close(closing.REVOKED, "the agent was revoked")
        elif verdict == UNSURE:
            self.close(closing.OVERLOADED, "nobody can say who this is just now")
        else:
            self.close(closing.UNTRUSTED, "the token is not good")

    def _on_state(self, state: State) -> None:
        if state.boot != self.hello.boot:
            raise Nonsense("a STATE of another boot")
        before = self.said
        if before is not None and state.seq <= before.seq:
            return  # Nothing overtakes on a link, so it was said again.
        self.said = state
        self.facts = state.facts or self.facts
        self._keeper.said(self)

    def _on_token(self, renewed: messages.Token) -> None:
        self._is_renewing = True
        self._keeper.trust.vouch(renewed.token, self.hello.key, self._on_renewed)

    def _on_renewed(self, vouched: Vouched) -> None:
        self._is_renewing = False
        papers, entry = vouched.papers, vouched.entry
        if not self.is_up or vouched.verdict == UNSURE:
            return  # Unsure: what it has is honoured for as long as an outage may last.
        if papers is None or entry is None or vouched.verdict == GONE:
            self._refuse(vouched.verdict)
        elif papers.agent != self.entry.agent:
            self.close(closing.UNTRUSTED, "a token of another agent")
        else:
            self._papers = papers
            self._put_last(TOKEN_SLOT, _message(frames.TOKEN, messages.EMPTY))
            self.heed(vouched.verdict, entry)


def _message(kind: int, payload: bytes) -> bytes:
    return websocket.write(websocket.BINARY, frames.frame(kind, payload))
