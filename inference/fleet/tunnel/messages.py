"""What the frames say that hold msgpack: read into shapes, strictly; unknown members are dropped.

A member that is missing or of another type is ``Nonsense``, as is everything that is no msgpack.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from inference.contracts.agents import AgentEntry
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.frames import STATE_MAX, Nonsense

VERSION = 1
VERSIONS = (1, 1)

Count = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Word = Annotated[str, Meta(max_length=256)]


class Hello(Struct, frozen=True):
    """Who the agent is, proved by its key; ``epoch`` rises with each dial of one ``boot``."""

    version: int
    token: Annotated[str, Meta(max_length=4096)]
    key: Key
    signature: Signature
    boot: Word
    epoch: Count
    xim: Word
    features: list[str]


class Token(Struct, frozen=True):
    """A renewed token."""

    token: Annotated[str, Meta(max_length=4096)]


class Drain(Struct, frozen=True):
    """No new streams, please: those up to ``last`` run to their end."""

    reason: str
    spread_ms: Count
    last: Count


class ServedModel(Struct, frozen=True):
    """One model as the machine has it; ``name`` is the machine's own for it."""

    name: Word
    status: str
    reason: str
    progress: Share | None
    task: str
    context: Count | None
    operations: list[str]
    size_bytes: Count | None
    running: Count


class Engine(Struct, frozen=True):
    """What runs the models."""

    kind: str
    version: str
    quirks: str | list[str] | None = None


class Accelerator(Struct, frozen=True):
    """One card of a machine."""

    kind: str
    name: str
    memory_bytes: Count


class Facts(Struct, frozen=True):
    """What a machine is."""

    hostname: str
    os: str
    arch: str
    cpus: Count
    memory_bytes: Count
    accelerators: list[Accelerator]


class State(Struct, frozen=True):
    """How a machine is now, in full each time. ``facts`` come only with a change of them."""

    seq: Count
    boot: Word
    drain: bool
    slots: Count
    running: Count
    waiting: Count
    kv: Share | None
    tokens_per_s: Annotated[float, Meta(ge=0, le=1e12)]
    xim: Word
    models: list[ServedModel]
    engine: Engine
    facts: Facts | None = None


class AnswerHead(Struct, frozen=True, array_like=True):
    """Status and header lines of an answer."""

    status: int
    lines: bytes


T = TypeVar("T")

_HELLO = msgspec.msgpack.Decoder(Hello)
_TOKEN = msgspec.msgpack.Decoder(Token)
_DRAIN = msgspec.msgpack.Decoder(Drain)
_STATE = msgspec.msgpack.Decoder(State)
_ANSWER = msgspec.msgpack.Decoder(AnswerHead)
_encode = msgspec.msgpack.Encoder().encode
EMPTY = _encode({})


def read_hello(payload: bytes) -> Hello:
    """Read a HELLO. Raises ``Nonsense``, as all that read here do."""
    return _read(_HELLO, payload)


def read_token(payload: bytes) -> Token:
    """Read a TOKEN."""
    return _read(_TOKEN, payload)


def read_drain(payload: bytes) -> Drain:
    """Read a DRAIN."""
    return _read(_DRAIN, payload)


def read_state(payload: bytes) -> State:
    """Read a STATE."""
    if len(payload) > STATE_MAX:
        raise Nonsense("a STATE is at most 8 KiB")
    return _read(_STATE, payload)


def read_answer(payload: bytes) -> AnswerHead:
    """Read HEADERS."""
    return _read(_ANSWER, payload)


def _read(decoder: msgspec.msgpack.Decoder[T], payload: bytes) -> T:
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        raise Nonsense(str(fault)[:200]) from None


def challenge(gateway: str, nonce: bytes, time_ms: int) -> bytes:
    """Write what a CHALLENGE says."""
    said = {"gateway": gateway, "nonce": nonce, "versions": VERSIONS, "time_ms": time_ms}
    return _encode(said)


def welcome(link: str, entry: AgentEntry, gateways: int, config: TunnelConfig) -> bytes:
    """Write what a WELCOME says."""
    said = {
        "link": link,
        "agent": entry.agent,
        "state": entry.state,
        "gateways": gateways,
        "beat_ms": int(config.beat_s * 1000),
        "lease_ms": int(config.lease_s * 1000),
        "window": config.window,
        "window_max": config.window_max,
        "streams": config.streams,
        "grace_ms": int(config.grace_s * 1000),
    }
    return _encode(said)


def assign(entry: AgentEntry, gateways: int) -> bytes:
    """Write what an ASSIGN says: what the agent may do, what it should have, whom it may dial."""
    said = {"version": entry.version, "state": entry.state, "models": entry.models}
    return _encode({**said, "gateways": gateways})


def drain(reason: str, spread_s: float, last: int) -> bytes:
    """Write what a DRAIN says."""
    return _encode({"reason": reason, "spread_ms": int(spread_s * 1000), "last": last})


def as_plain(state: State, facts: Facts | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a state as plain values, and apart from it the facts that were said last."""
    plain: dict[str, Any] = msgspec.to_builtins(state)
    del plain["facts"]
    return plain, None if facts is None else msgspec.to_builtins(facts)


def open_head(
    method: str, path: str, lines: bytes, length: int, request: tuple[str, int, str]
) -> bytes:
    """Write the head of a request; ``request``: its id, milliseconds left, the model's name."""
    return _encode([method, path, lines, length, *request])
