"""A pass-through between gateway and engine that keeps every byte of both directions."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One HTTP message: its first line and fields, and its body without framing."""

    head: bytes
    body: bytes


@dataclass(slots=True)
class Tape:
    """What went each way over one connection."""

    asked: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


class Recorder:
    """Listens on a loopback port and forwards to the engine, one thread a direction."""

    def __init__(self, host: str, port: int) -> None:
        self._engine = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.tapes: list[Tape] = []
        self._start(self._accept)

    def close(self) -> None:
        """Stop listening; connections end with their peers."""
        self._listener.close()

    def last(self) -> tuple[Message, Message]:
        """Return the last request and its answer. Probes, which only read, are none."""
        tape = next(one for one in reversed(self.tapes) if one.asked.startswith(b"POST"))
        return read_message(bytes(tape.asked)), read_message(bytes(tape.answered))

    def clear(self) -> None:
        """Forget what was said so far on connections that live on."""
        for tape in self.tapes:
            tape.asked.clear()
            tape.answered.clear()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            engine = socket.create_connection(self._engine)
            tape = Tape()
            self.tapes.append(tape)
            self._start(lambda a=caller, b=engine, t=tape: _pump(a, b, t.asked))
            self._start(lambda a=engine, b=caller, t=tape: _pump(a, b, t.answered))

    @staticmethod
    def _start(work: object) -> None:
        threading.Thread(target=work, daemon=True).start()  # type: ignore[arg-type] # why: any callable


def _pump(source: socket.socket, sink: socket.socket, tape: bytearray) -> None:
    try:
        while piece := source.recv(65536):
            tape += piece
            sink.sendall(piece)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            end.close()


def read_message(raw: bytes) -> Message:
    """Split one HTTP message and undo chunked framing."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return Message(head, rest)
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        rest = rest[length + 2 :]
    return Message(head, bytes(body))
