"""The streams of one link: which are open, what came for them, whose turn it is to be told.

Numbers rise by one and are given when OPEN leaves, so a request that is given up at once is
never heard of over there. Whoever asked is told after a read is through: a fault of one is not
the others', and no caller's code runs in the middle of a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from inference.fleet.load import Load
from inference.fleet.ports import Answer, WorkerFailed
from inference.fleet.tunnel import frames, messages, websocket
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.counts import Counts
from inference.fleet.tunnel.frames import Nonsense
from inference.fleet.tunnel.outbox import Outbox
from inference.fleet.tunnel.stream import Carrier, Stream
from inference.fleet.tunnel.upload import Upload
from inference.fleet.tunnel.windows import Inflow, Room
from inference.fleet.tunnel.wire import Wire

NAMES: Final = {
    frames.HEADERS: "headers",
    frames.DATA: "data",
    frames.RESET: "reset",
    frames.CREDIT: "credit",
}
"""What an agent may send on a stream."""


class Streams(Carrier):
    """See the module. ``trip_s``: how long a round trip takes, as last measured."""

    def __init__(
        self,
        wire: Wire,
        outbox: Outbox,
        room: Room,
        config: TunnelConfig,
        counts: Counts,
        now: Callable[[], float],
    ) -> None:
        self.last = 0
        """The stream opened last."""
        self.trip_s = 0.0
        self._wire = wire
        self._outbox = outbox
        self._room = Room(config.link_windows, room)
        self._config = config
        self._counts = counts
        self._now = now
        self._open: dict[int, Stream] = {}
        self._waiting: list[Stream] = []
        self._due: list[Stream] = []
        self._is_settling_soon = False

    def __len__(self) -> int:
        """Return how many are open, those included whose OPEN has not left."""
        return len(self._open) + len(self._waiting)

    @property
    def windows(self) -> int:
        """Return how many bytes may be on their way here."""
        return self._room.used

    def ask(self, load: Load, head: bytes, body: bytes | None, answer: Answer) -> Stream:
        """Begin one."""
        stream = Stream(self, load, head, body, answer)
        self._waiting.append(stream)
        self._wire.send_soon()
        return stream

    def open_waiting(self) -> None:
        """Give numbers to those that wait, and put their OPEN where it will leave."""
        waiting, self._waiting = self._waiting, []
        for stream in waiting:
            if stream.is_closed:
                continue
            self.last += 1
            self._open[self.last] = stream
            inflow = Inflow(self._config, self._room, self._now())
            self._put(stream.begin(self.last, inflow, self._config.window))
            self._outbox.queue(stream.upload)

    # ── What the agent says ────────────────────────────────────────────────────────────

    def take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Take a frame. Raises ``Nonsense``."""
        stream = self._open.get(number)
        if stream is None:
            if not 0 < number <= self.last:
                raise Nonsense(f"stream {number} was never opened")
            self._counts.drop(NAMES[kind])
            return
        if kind == frames.DATA:
            if len(payload) > frames.DATA_MAX:
                raise Nonsense("a DATA is at most 16 KiB")
            stream.on_data(payload, is_last=flags & frames.FIN != 0)
        else:
            self._take_other(stream, kind, flags, payload)
        if stream.is_closed:
            self._open.pop(number, None)
        self._is_due(stream)

    def _take_other(self, stream: Stream, kind: int, flags: int, payload: bytes) -> None:
        if kind == frames.CREDIT:
            if stream.upload.grant(frames.read_credit(payload)):
                self.wake(stream.upload)
        elif kind == frames.HEADERS:
            said = messages.read_answer(payload)
            stream.on_head(said.status, said.lines, is_last=flags & frames.FIN != 0)
        else:
            code, detail = frames.read_reset(payload)
            self._counts.reset(code)
            stream.on_reset(code, detail, is_untouched=flags & frames.UNTOUCHED != 0)

    def settle(self) -> None:
        """Tell whoever waits what came for them."""
        self._is_settling_soon = False
        while self._due:
            due, self._due = self._due, []
            for stream in due:
                stream.is_due = False
                self._push(stream)

    def end_all(self, words: str) -> None:
        """Fail what runs: the link is gone."""
        streams = [*self._open.values(), *self._waiting]
        self._open.clear()
        self._waiting.clear()
        for stream in streams:
            stream.on_link_gone(words)
            self.push_soon(stream)

    def _push(self, stream: Stream) -> None:
        try:
            stream.push()
        except Exception as fault:  # noqa: BLE001 - told; a fault of one is not the others'
            self._wire.report(fault)
            answer = stream.give_up()
            failure = WorkerFailed("protocol", "its answer could not be taken")
            self._wire.later(lambda: answer.on_fail(failure))

    def _is_due(self, stream: Stream) -> None:
        if not stream.is_due:
            stream.is_due = True
            self._due.append(stream)

    # ── What streams say ───────────────────────────────────────────────────────────────

    def wake(self, upload: Upload) -> None:
        """Let it have a turn at sending."""
        self._outbox.queue(upload)
        self._wire.send_soon()

    def renew(self, number: int, inflow: Inflow, size: int) -> None:
        """Learn that so many bytes of an answer were taken."""
        offset = inflow.take(size, self._now(), self.trip_s, self._config.window_max)
        if offset:
            self._put(frames.credit_frame(number, offset))
            self._wire.send_soon()

    def drop(self, number: int, code: int) -> None:
        """End it at the agent's side, too; one without a number is not there."""
        if number and self._open.pop(number, None) is not None:
            self._put(frames.reset_frame(number, code))
            self._wire.send_soon()

    def push_soon(self, stream: Stream) -> None:
        """Have it pushed what it keeps with the loop's next turn."""
        self._is_due(stream)
        if not self._is_settling_soon:
            self._is_settling_soon = True
            self._wire.later(self.settle)

    def _put(self, frame: bytes) -> None:
        self._outbox.put(websocket.write(websocket.BINARY, frame))
