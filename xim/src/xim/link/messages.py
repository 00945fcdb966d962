"""What frames say, in msgpack: read with suspicion, unknown members ignored; sans-I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from xim.link.frames import ProtocolFault

LENGTH = struct.Struct(">H")
VERSION = 1
NONCE_BYTES = 32
BODY_IN_OPEN_MAX = 48 << 10


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a gateway wants proved."""

    gateway: str
    nonce: bytes
    versions: tuple[int, int]
    time_ms: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a gateway tells of itself and of the link."""

    link: str
    agent: str
    state: str
    gateways: int
    beat_ms: int
    lease_ms: int
    window: int
    window_max: int
    streams: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the platform wants of this machine; the last one wins."""

    version: int
    state: str
    models: tuple[str, ...]
    gateways: int | None = None
    """How many live now; none where a gateway does not say."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Take nothing new: why, how wide to spread, and the last stream that counts."""

    reason: str
    spread_ms: int
    last: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for the engine."""

    method: str
    path: str
    lines: bytes
    body_length: int
    request_id: str
    ms_to_first_byte: int
    model: str
    body: bytes
    whole: bool


def packed(content: Mapping[str, Any] | list[Any]) -> bytes:
    """Return a map or an array as msgpack."""
    done: bytes = msgpack.packb(content, use_bin_type=True)
    return done


def unpacked(payload: bytes, kind: type, what: str) -> Any:
    """Read msgpack of one kind; raises ``ProtocolFault`` for anything else."""
    try:
        content = msgpack.unpackb(payload, raw=False, strict_map_key=False)
    except (ValueError, msgpack.UnpackException, RecursionError, MemoryError) as fault:
        raise ProtocolFault(f"{what} is not msgpack") from fault
    if not isinstance(content, kind):
        raise ProtocolFault(f"{what} is no {kind.__name__}")
    return content


def _member(content: dict[str, Any], name: str, kind: type, what: str) -> Any:
    value = content.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ProtocolFault(f"{what} has no proper {name}")
    return value


def read_challenge(payload: bytes) -> Challenge:
    """Read a CHALLENGE."""
    content = unpacked(payload, dict, "CHALLENGE")
    nonce = _member(content, "nonce", bytes, "CHALLENGE")
    versions = _member(content, "versions", list, "CHALLENGE")
    if len(nonce) != NONCE_BYTES or [type(one) for one in versions] != [int, int]:
        raise ProtocolFault("CHALLENGE has a nonce or versions of another shape")
    return Challenge(
        gateway=_member(content, "gateway", str, "CHALLENGE"),
        nonce=nonce,
        versions=(versions[0], versions[1]),
        time_ms=_member(content, "time_ms", int, "CHALLENGE"),
    )


def read_welcome(payload: bytes) -> Welcome:
    """Read a WELCOME."""
    content = unpacked(payload, dict, "WELCOME")
    words = {name: _member(content, name, str, "WELCOME") for name in ("link", "agent", "state")}
    names = ("gateways", "beat_ms", "lease_ms", "window", "window_max", "streams", "grace_ms")
    numbers = {name: _member(content, name, int, "WELCOME") for name in names}
    if min(numbers["beat_ms"], numbers["window"], numbers["streams"]) < 1:
        raise ProtocolFault("WELCOME allows nothing")
    return Welcome(**words, **numbers)


def read_token(payload: bytes) -> None:
    """Read the answer to a TOKEN, which says nothing."""
    unpacked(payload, dict, "TOKEN")


def read_assignment(payload: bytes) -> Assignment:
    """Read an ASSIGN."""
    content = unpacked(payload, dict, "ASSIGN")
    models = _member(content, "models", list, "ASSIGN")
    if not all(isinstance(one, str) for one in models):
        raise ProtocolFault("ASSIGN names models that are no names")
    state = _member(content, "state", str, "ASSIGN")
    version = _member(content, "version", int, "ASSIGN")
    gateways = _member(content, "gateways", int, "ASSIGN") if "gateways" in content else None
    return Assignment(version, state, tuple(models), gateways)


def read_drain(payload: bytes) -> Drain:
    """Read a DRAIN."""
    content = unpacked(payload, dict, "DRAIN")
    return Drain(
        reason=_member(content, "reason", str, "DRAIN"),
        spread_ms=max(0, _member(content, "spread_ms", int, "DRAIN")),
        last=_member(content, "last", int, "DRAIN"),
    )


ASK_SHAPE = (str, str, bytes, int, str, int, str)


def read_ask(payload: bytes, *, whole: bool) -> Ask:
    """Read an OPEN; ``whole`` if it carries FIN, and so the whole body."""
    if len(payload) < LENGTH.size:
        raise ProtocolFault("an OPEN has no length")
    end = LENGTH.size + LENGTH.unpack_from(payload)[0]
    if end > len(payload):
        raise ProtocolFault("an OPEN ends inside its head")
    parts = unpacked(payload[LENGTH.size : end], list, "OPEN")
    body = payload[end:]
    fits = len(parts) >= len(ASK_SHAPE) and all(
        type(part) is kind for part, kind in zip(parts, ASK_SHAPE, strict=False)
    )
    if not fits:
        raise ProtocolFault("an OPEN has parts of another kind")
    if len(body) > BODY_IN_OPEN_MAX or (body and not whole):
        raise ProtocolFault("an OPEN carries a body that belongs into DATA")
    method, path, lines, length, request_id, ms, model = parts[: len(ASK_SHAPE)]
    return Ask(method, path, lines, length, request_id, ms, model, body, whole)


def answer_head(status: int, lines: bytes) -> bytes:
    """Return the payload of HEADERS."""
    return packed([status, lines])
