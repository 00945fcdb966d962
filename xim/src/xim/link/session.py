"""One link, from its challenge to its end: what frames mean, and what is said to them; sans-I/O.

``receive`` is given each message as it came and tells a ``Listener`` what it means; what is to
be sent stands in ``turns``. A message that may not be raises ``ProtocolFault``, which ends the
link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from xim.link import frames, messages
from xim.link.frames import FIN, Code, Frame, Kind, ProtocolFault
from xim.link.messages import Ask, Assignment, Challenge, Drain, Welcome
from xim.link.turns import Outflow, Turns
from xim.link.windows import Growth, ReceiveWindow, SendWindow

STREAMS_MAX = 1 << 31
PING_BYTES = 8


class Intake(Protocol):
    """Whoever reads the body of a request."""

    def fed(self, piece: bytes, *, ends: bool) -> None:
        """Take a piece of the body."""

    def credited(self) -> None:
        """Hear that more of the answer may go."""

    def broken_off(self, code: int, detail: str) -> None:
        """Hear that the gateway broke the stream off: nothing more comes, nothing may go."""


class Listener(Protocol):
    """Whoever holds the link."""

    def challenged(self, challenge: Challenge) -> bytes:
        """Return the HELLO for a challenge."""

    def welcomed(self, welcome: Welcome) -> None:
        """Hear that the link is live."""

    def assigned(self, assignment: Assignment) -> None:
        """Hear what the platform wants of this machine."""

    def drained(self, drain: Drain) -> None:
        """Hear that the gateway takes its leave."""

    def opened(self, stream: OpenStream) -> Intake:
        """Hear of a request; return who reads its body."""


@dataclass(slots=True)
class OpenStream:
    """A request on its way, as the link knows it."""

    number: int
    ask: Ask
    outflow: Outflow
    inflow: ReceiveWindow
    intake: Intake | None = None
    body_ended: bool = False


class Session:
    """What one link has come to."""

    def __init__(self, listener: Listener, now: Callable[[], float]) -> None:
        self.turns = Turns()
        self.streams: dict[int, OpenStream] = {}
        self.welcome: Welcome | None = None
        self.last_opened = 0
        self.dropped = 0
        self.round_trip = 0.0
        self._listener = listener
        self._now = now
        self._hello_at = float("-inf")
        self._growth = Growth()
        self._known: dict[Kind, Callable[[Frame], None]] = {
            Kind.PING: self._ping,
            Kind.PONG: lambda _: None,
            Kind.TOKEN: lambda frame: messages.read_token(frame.payload),
            Kind.ASSIGN: self._assign,
            Kind.DRAIN: self._drain,
            Kind.OPEN: self._open,
            Kind.DATA: self._data,
            Kind.RESET: self._reset,
            Kind.CREDIT: self._credit,
        }

    def receive(self, message: bytes) -> None:
        """Take one message of the gateway."""
        frame = frames.decode(message)
        if self.welcome is None:
            self._shake_hands(frame)
            return
        meaning = self._known.get(frame.kind)
        if meaning is None:
            raise ProtocolFault(f"{frame.kind.name} is not for agents, or came too late")
        if (frame.kind >= Kind.OPEN) is not (frame.stream > 0):
            raise ProtocolFault(f"{frame.kind.name} on stream {frame.stream}")
        meaning(frame)

    def _shake_hands(self, frame: Frame) -> None:
        if frame.kind is Kind.CHALLENGE and self._hello_at == float("-inf"):
            challenge = messages.read_challenge(frame.payload)
            low, high = challenge.versions
            if not low <= messages.VERSION <= high:
                raise ProtocolFault("no common version of the protocol", 4426)
            self._hello_at = self._now()
            self.turns.say(frames.encode(Kind.HELLO, self._listener.challenged(challenge)))
        elif frame.kind is Kind.WELCOME and self._hello_at > float("-inf"):
            self.welcome = messages.read_welcome(frame.payload)
            self.round_trip = self._now() - self._hello_at
            self._listener.welcomed(self.welcome)
        else:
            raise ProtocolFault(f"{frame.kind.name} before the link is live")

    def _ping(self, frame: Frame) -> None:
        if len(frame.payload) != PING_BYTES:
            raise ProtocolFault("a PING is not eight bytes")
        self.turns.say(frames.encode(Kind.PONG, frame.payload))

    def _assign(self, frame: Frame) -> None:
        self._listener.assigned(messages.read_assignment(frame.payload))

    def _drain(self, frame: Frame) -> None:
        self._listener.drained(messages.read_drain(frame.payload))

    def _open(self, frame: Frame) -> None:
        if frame.stream != self.last_opened + 1 or frame.stream >= STREAMS_MAX:
            raise ProtocolFault(f"stream {frame.stream} opens after {self.last_opened}")
        agreed = self.welcome
        if agreed is None:
            raise ProtocolFault("OPEN before the link is live")
        self.last_opened = frame.stream
        ask = messages.read_ask(frame.payload, whole=bool(frame.flags & FIN))
        if len(self.streams) >= agreed.streams:
            detail = "more streams than were agreed"
            self.turns.say(frames.reset(frame.stream, Code.BUSY, detail, untouched=True))
            return
        first = agreed.window
        stream = OpenStream(
            number=frame.stream,
            ask=ask,
            outflow=Outflow(frame.stream, SendWindow(first)),
            inflow=ReceiveWindow(first, max(first, agreed.window_max), self._growth),
            body_ended=ask.whole,
        )
        self.streams[frame.stream] = stream
        self.turns.add(stream.outflow)
        stream.intake = self._listener.opened(stream)

    def _running(self, frame: Frame) -> OpenStream | None:
        stream = self.streams.get(frame.stream)
        if stream is None:
            if frame.stream > self.last_opened:
                raise ProtocolFault(f"{frame.kind.name} on stream {frame.stream}, never opened")
            self.dropped += 1
        return stream

    def _data(self, frame: Frame) -> None:
        stream = self._running(frame)
        if stream is None:
            return
        if len(frame.payload) > frames.DATA_MAX:
            raise ProtocolFault("DATA of more than 16 KiB")
        if stream.body_ended:
            raise ProtocolFault(f"DATA after the end of stream {stream.number}")
        stream.body_ended = bool(frame.flags & FIN)
        if not stream.inflow.take(len(frame.payload)):
            self._over(stream, "more than was granted")
        elif stream.intake is not None:
            stream.intake.fed(frame.payload, ends=stream.body_ended)

    def _over(self, stream: OpenStream, detail: str) -> None:
        self.break_off(stream, Code.FLOW, detail)
        if stream.intake is not None:
            stream.intake.broken_off(Code.FLOW, detail)

    def _reset(self, frame: Frame) -> None:
        code, detail = frames.read_reset(frame.payload)
        stream = self._running(frame)
        if stream is not None:
            self.close(stream)
            if stream.intake is not None:
                stream.intake.broken_off(code, detail)

    def _credit(self, frame: Frame) -> None:
        offset = frames.read_credit(frame.payload)
        stream = self._running(frame)
        if stream is not None:
            stream.outflow.window.grant(offset)
            self.turns.wake(stream.number)
            if stream.intake is not None:
                stream.intake.credited()

    def consumed(self, stream: OpenStream, count: int) -> None:
        """Note that so much of a body was read; let the gateway send more in time."""
        granted = stream.inflow.consume(count, self._now(), self.round_trip)
        if granted is not None and not stream.body_ended and stream.number in self.streams:
            self.turns.say(frames.credit(stream.number, granted))

    def break_off(
        self, stream: OpenStream, code: Code, detail: str = "", *, untouched: bool = False
    ) -> None:
        """End a stream that can't be answered, or not to its end."""
        if stream.number in self.streams:
            self.close(stream)
            self.turns.say(frames.reset(stream.number, code, detail, untouched=untouched))

    def close(self, stream: OpenStream) -> None:
        """Forget a stream: it is answered, or broken off."""
        self.streams.pop(stream.number, None)
        self.turns.drop(stream.number)
        stream.inflow.close()
