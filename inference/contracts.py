"""What the two planes say to each other, and nothing more.

Both planes import this module; it imports neither. Nothing is changed once it is made; all
of it holds plain values and survives a round trip through JSON, so it can travel by any
transport. (``UsageEvent`` alone is not frozen: a constructor that mypyc compiles can't be.)

Control → data: a ``Grant`` (what one key may do), a ``Route`` (what one endpoint is) and a
``Pool`` (which workers serve it) lie in Valkey under the names below, each with the
``version`` of the row it was made from; a higher version always wins, and a revoked or
deleted thing is a *tombstone* (``gone``), never a missing entry. Back comes one
``UsageEvent`` for every admitted request.
"""

from __future__ import annotations

import hmac
import json
import re
import string
import uuid
import zlib
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache, partial
from typing import Any, TypeVar

# Handed on from here:
from inference.events import UsageEvent as UsageEvent  # noqa: PLC0414
from inference.names import CHANGES as CHANGES  # noqa: PLC0414
from inference.names import GATEWAYS as GATEWAYS  # noqa: PLC0414
from inference.names import OWN as OWN  # noqa: PLC0414
from inference.names import POOLS as POOLS  # noqa: PLC0414
from inference.names import SHARDS as SHARDS  # noqa: PLC0414
from inference.names import SIGHTING_S as SIGHTING_S  # noqa: PLC0414
from inference.names import grant_key as grant_key  # noqa: PLC0414
from inference.names import own_pool as own_pool  # noqa: PLC0414
from inference.names import pool_key as pool_key  # noqa: PLC0414
from inference.names import route_key as route_key  # noqa: PLC0414
from inference.names import shard_tag as shard_tag  # noqa: PLC0414
from inference.names import shared_pool as shared_pool  # noqa: PLC0414
from inference.names import sighting_key as sighting_key  # noqa: PLC0414
from inference.names import usage_stream as usage_stream  # noqa: PLC0414
from inference.names import usage_watermark as usage_watermark  # noqa: PLC0414
from inference.tallies import BATCH_FIELD as BATCH_FIELD  # noqa: PLC0414
from inference.tallies import REFUSALS as REFUSALS  # noqa: PLC0414
from inference.tallies import REFUSALS_KEPT as REFUSALS_KEPT  # noqa: PLC0414
from inference.tallies import RefusalBatch as RefusalBatch  # noqa: PLC0414
from inference.tallies import RefusedRequest as RefusedRequest  # noqa: PLC0414
from inference.tallies import Tally as Tally  # noqa: PLC0414
from inference.tallies import batch_from as batch_from  # noqa: PLC0414

# ── Words both planes use ──────────────────────────────────────────────────────────────

OPERATIONS: dict[str, tuple[str, ...]] = {
    "chat/completions": ("generate",),
    "completions": ("generate",),
    "responses": ("generate",),
    "embeddings": ("embed",),
    "rerank": ("score", "embed"),
    "score": ("score", "embed"),
}
"""Operation → the tasks of models that may speak it. An operation is its path below
``/v1/``; ``Worker.operations`` lists those that a worker really answers, because an embedding
model may score, and most servers have no ``responses``."""

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY = re.compile(r"xero_[a-z][a-z0-9-]{1,31}_[0-9A-Za-z]{49}", re.ASCII)
_PAIRS = [high + low for high in BASE62 for low in BASE62]

_keyed = lru_cache(16)(partial(hmac.new, digestmod="sha256"))

EVENT_FIELD = "event"
"""The one field of a usage stream's entries: a ``UsageEvent`` as JSON."""


def cost_of(
    tokens_in: int,
    tokens_out: int,
    tokens_cached: int,
    *,
    price_per_million: int,
    cached_percent: int,
) -> int:
    """Return what a request costs, in micro-units, rounded up to a whole one.

    ``tokens_cached`` are part of ``tokens_in``. Both planes count with this one formula.
    """
    hundredths = (tokens_in - tokens_cached + tokens_out) * 100 + tokens_cached * cached_percent
    return -(-hundredths * price_per_million // 100_000_000)


def requests_at_once(tier: str, a_minute: int) -> int:
    """Return how many requests may come in one moment, after a pause: half, but a few at least."""
    return max(3 if tier == "free" else 10, a_minute // 2)


def tokens_at_once(a_minute: int) -> int:
    """Return how many tokens may be asked for in one moment, after a pause."""
    return max(1, a_minute // 2)


def digest_of(secret: bytes, pepper: bytes) -> str:
    """Return the only form of an API key that is ever stored: HMAC-SHA-256, hex."""
    keyed = _keyed(pepper).copy()
    keyed.update(secret)
    return keyed.hexdigest()


def checksum(text: str) -> str:
    """Return the last six characters of a key whose other characters are ``text``.

    CRC-32 in base 62, padded: it tells a typo from a key without a look-up; protects nothing.
    """
    high, rest = divmod(zlib.crc32(text.encode()), len(_PAIRS) ** 2)
    middle, low = divmod(rest, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def is_key(text: str) -> bool:
    """Say whether this has the form of an API key, its checksum included."""
    return _KEY.fullmatch(text) is not None and checksum(text[:-6]) == text[-6:]


def moment_of(request_id: str) -> float:
    """Return when a request was admitted, in Unix seconds with milliseconds.

    Reads the UUIDv7 in ``req_…``; raises ``ValueError`` if there is none.
    """
    return (uuid.UUID(request_id.removeprefix("req_")).int >> 80) / 1000


# ── Control → data ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Grant:
    """What one key may do. Times are Unix seconds; ``secret_id`` 0 is no key's.

    ``behind`` is of a pass: the digest of the key that asked for it, and holds it to its rules.
    """

    version: int
    key_id: str
    project: str
    scopes: tuple[str, ...]
    expires_at: float | None = None
    endpoint: str | None = None
    ip_allow: tuple[str, ...] = ()
    ip_block: tuple[str, ...] = ()
    quota_requests: int | None = None
    quota_window_s: int | None = None
    gone: bool = False
    secret_id: int = 0
    behind: str = ""

    def is_over(self, now: float) -> bool:
        """Say whether it opens nothing any more; its last instant is excluded."""
        return self.gone or (self.expires_at is not None and self.expires_at <= now)


@dataclass(frozen=True)
class Terms:
    """Limits, waits and price of a service tier, as they are in force now.

    ``None`` is *unlimited*; a monthly allowance of 0 refuses everything. Prices are integer
    micro-units of the currency per million tokens.
    """

    tier: str
    version: int
    requests_per_min: int | None
    tokens_per_min: int | None
    concurrent: int
    request_timeout_s: float
    idle_timeout_s: float
    priority: int
    price_per_million: int = 0
    cached_percent: int = 25
    monthly_tokens: int | None = None
    least_hold: int = 0
    """Micro-units a request holds though it costs nothing itself: where machines are paid by
    the hour, a balance that is used up refuses all the same."""


@dataclass(frozen=True)
class Route:
    """What one endpoint is: its model, its terms, and the pools that serve it, best first.

    ``origins``: pages that may read its answers (``inference.origins``).
    """

    version: int
    project: str
    endpoint: str
    endpoint_id: str
    model: str
    task: str
    terms: Terms
    pools: tuple[str, ...]
    context_length: int | None = None
    capabilities: tuple[str, ...] = ()
    created_at: int = 0
    defaults: dict[str, Any] = field(default_factory=dict)
    paused: bool = False
    gone: bool = False
    suspended: str = ""
    """Why the platform's operator has shut the whole project; empty where it is open."""
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Worker:
    """One place that serves a model.

    ``url`` is the base of its OpenAI surface (``http://127.0.0.1:9000/v1``); ``served_name`` is
    what it calls the model itself, empty where it takes any name;
    ``credential`` is what it wants as bearer, sealed with the platform's keyring.
    """

    worker_id: str
    url: str
    model: str
    operations: tuple[str, ...]
    credential: str = ""
    slots: int | None = None
    served_name: str = ""


@dataclass(frozen=True)
class Pool:
    """The workers that serve one model, shared by everyone or owned by one project."""

    version: int
    name: str
    workers: tuple[Worker, ...]
    gone: bool = False


# ── JSON ───────────────────────────────────────────────────────────────────────────────

T = TypeVar("T", Grant, Route, Pool, UsageEvent)

_encode = json.JSONEncoder(separators=(",", ":")).encode


def dump(thing: Grant | Route | Pool | UsageEvent) -> str:
    """Write a contract as JSON."""
    return _encode(asdict(thing))


def load(kind: type[T], text: str | bytes) -> T:
    """Read a contract back.

    Unknown fields are dropped, so that an older gateway can read what a newer control
    plane wrote. Raises ``ValueError`` or ``TypeError`` if the text is no such contract.
    """
    raw: Any = json.loads(text)
    if not isinstance(raw, dict):
        raise TypeError(f"a {kind.__name__} is an object, not a {type(raw).__name__}")
    known = {f.name for f in fields(kind)}
    values = {name: _frozen(value) for name, value in raw.items() if name in known}
    if kind is Route:
        values["terms"] = _nested(Terms, raw["terms"])
        values["defaults"] = raw.get("defaults", {})
    if kind is Pool:
        values["workers"] = tuple(_nested(Worker, worker) for worker in raw["workers"])
    made: T = kind(**values)
    return made


def _nested(kind: type[Any], raw: dict[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    return kind(**{name: _frozen(value) for name, value in raw.items() if name in known})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
