"""A request taken to the engine, and its answer brought back (relay)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

import h11

from xim.link.frames import Code
from xim.link.messages import Ask
from xim.link.stream import Gone, HeadTooLarge, Stream
from xim.web.call import Address, Broken, Call, Garbled, Lines, TooMuch, Unreached, call

HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade"),
    *(b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
}
CODES: dict[type[Exception], Code] = {
    Unreached: Code.UNREACHABLE,
    Broken: Code.ENGINE_RESET,
    Garbled: Code.ENGINE_PROTOCOL,
    TooMuch: Code.TOO_LARGE,
    HeadTooLarge: Code.TOO_LARGE,
    h11.LocalProtocolError: Code.INTERNAL,
}
"""What is said of what went wrong; a request that h11 won't write is none."""
OURS = HOP_BY_HOP | {b"host", b"authorization", b"content-length", b"expect"}


@dataclass(slots=True)
class Engine:
    """Where requests go, and the credential it wants."""

    address: Address
    key: str = ""
    trust: ssl.SSLContext | None = None


@dataclass(slots=True)
class Count:
    """What passed by."""

    events: int = 0
    sent_bytes: int = 0


async def answer(stream: Stream, engine: Engine, count: Count) -> str:
    """Bring a request's answer; return in a word how it ended.

    A stream that is broken off cancels this, which closes the engine's connection at once.
    """
    try:
        async with call(engine.address, engine.trust) as asked:
            asked.start(stream.ask.method, _target(stream.ask, engine), _lines(stream.ask, engine))
            await _exchanged(stream, asked, count)
    except tuple(CODES) as fault:
        return await _broken_off(stream, CODES[type(fault)], str(fault))
    except TimeoutError:
        said = f"no answer within {stream.ask.ms_to_first_byte} ms"
        return await _broken_off(stream, Code.ENGINE_SILENT, said)
    except Gone:
        return "gone"
    return "done"


async def _exchanged(stream: Stream, asked: Call, count: Count) -> None:
    if stream.ask.whole:
        if stream.ask.body:
            await asked.send(stream.ask.body)
        asked.finish()
        await _down(stream, asked, count)
        return
    try:
        async with asyncio.TaskGroup() as group:
            up = group.create_task(_up(stream, asked))
            await _down(stream, asked, count)
            up.cancel()  # An engine may answer before it has read everything.
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def _up(stream: Stream, asked: Call) -> None:
    while piece := await stream.read():
        await asked.send(piece)
    asked.finish()


async def _down(stream: Stream, asked: Call, count: Count) -> None:
    async with asyncio.timeout(max(1, stream.ask.ms_to_first_byte) / 1000):
        status, lines = await asked.head()
    stream.begin(status, _joined(lines))
    async for piece in asked.pieces():
        count.events += piece.count(b"data:")
        count.sent_bytes += len(piece)
        await stream.write(piece)
    await stream.end()


def _target(ask: Ask, engine: Engine) -> str:
    return engine.address.path + ask.path


def _lines(ask: Ask, engine: Engine) -> Lines:
    """Return the head lines for the engine: the caller's, and what belongs to this connection."""
    lines: Lines = [(b"host", engine.address.authority), (b"connection", b"close")]
    if engine.key:
        lines.append((b"authorization", f"Bearer {engine.key}".encode()))
    for line in ask.lines.split(b"\r\n"):
        name, colon, said = line.partition(b":")
        if colon and name.lower() not in OURS:
            lines.append((name, said.strip(b" \t")))
    length = len(ask.body) if ask.whole else ask.body_length
    if length < 0:
        lines.append((b"transfer-encoding", b"chunked"))
    elif length or ask.method == "POST":
        lines.append((b"content-length", str(length).encode()))
    return lines


def _joined(lines: Lines) -> bytes:
    kept = [(name, said) for name, said in lines if name.lower() not in HOP_BY_HOP]
    return b"".join(name + b": " + said + b"\r\n" for name, said in kept)


async def _broken_off(stream: Stream, code: Code, detail: str) -> str:
    """Break off after what the engine did say has gone: it may be worth having."""
    try:
        await stream.flushed()
    except Gone:
        return "gone"
    stream.refuse(code, detail, untouched=code is Code.UNREACHABLE)
    return code.name.lower()
