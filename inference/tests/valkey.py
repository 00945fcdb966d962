"""The real Valkey of the test run, with the admission functions loaded, as the tests call it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import redis

import inference.admission

LIBRARY = Path(inference.admission.__file__).with_name("functions.lua")
URL = os.environ.get("VALKEY_URL", "")  # noqa: TID251 - set by tests/servers.py
EPOCH_US = 1_795_000_000_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """The arguments of ``xt1_admit`` that say what the limits are; the defaults are generous."""

    project: str = "proj_a"
    endpoint: str = "ep_1"
    key: str = "key_1"
    tier: str = "free"
    request_step_us: int = 1
    request_cap_us: int = 10**9
    token_step_us: float = 0.06
    token_cap_us: int = 10**9
    concurrent: int = 10**6
    quota: int = 0
    quota_s: int = 0
    allowance: int = 0
    lease_s: int = 15
    about: str = '"project":"proj_a"'


@dataclass(frozen=True, slots=True)
class Size:
    """What a request is taken to use (``est``) and what it holds."""

    est_in: int = 10
    est_out: int = 256
    est_money: int = 0
    hold_tokens: int = 0
    hold_money: int = 0


def free_terms(**changes: Any) -> Terms:
    """Return the request and token buckets of the free tier."""
    free = Terms(
        request_step_us=937_500,
        request_cap_us=30_000_000,
        token_step_us=6_000,
        token_cap_us=30_000_000,
    )
    return replace(free, **changes)


class Shard:
    """One shard of its own, with an injected clock: ``now`` in microseconds."""

    def __init__(self, *, opened: bool = True) -> None:
        self.redis: Any = redis.Redis.from_url(URL)
        self.redis.function_load(LIBRARY.read_text(), replace=True)
        self.tag = f"{{{uuid.uuid4().hex}}}"
        self.now = EPOCH_US
        if opened:
            self.call("open", 0, "", self.now - 3_600_000_000)

    def call(self, name: str, *args: object) -> Any:
        return self.redis.fcall(f"xt1_{name}", 1, self.tag, *args)

    def admit(
        self, request: str, terms: Terms, size: Size = Size(), *, forced: bool = False
    ) -> Any:
        return self.call("admit", *astuple(terms), request, *astuple(size), int(forced), self.now)

    def words(self, terms: Terms, asks: Sequence[tuple[str, Size]]) -> list[str]:
        """Ask for many in one call."""
        flat = [part for request, size in asks for part in (request, *astuple(size), 0)]
        said = self.call("admit_all", *astuple(terms), *flat, self.now)
        return [answer[0].decode() for answer in said]

    def is_easy(self, request: str, terms: Terms, size: Size = Size()) -> bool:
        return bool(self.admit(request, terms, size)[7])

    def word(self, request: str, terms: Terms, size: Size = Size()) -> str:
        return str(self.admit(request, terms, size)[0].decode())

    def renew(self, request: str, tokens: int = 0, money: int = 0, allowance: int = 0) -> str:
        said = self.call("renew", request, 15, tokens, money, allowance, "", self.now)
        return str(said.decode())

    def settle(self, request: str, terms: Terms, tokens: int, cost: int) -> str:
        who = (terms.project, terms.endpoint, terms.key, terms.tier)
        event = f'{{"request_id":"{request}"}}'
        said = self.call("settle", request, *who, tokens, cost, event, self.now)
        return str(said[0].decode())

    def settle_all(self, terms: Terms, ends: Sequence[tuple[str, int, int]]) -> list[str]:
        """Settle many, given as request, tokens and cost, in one call."""
        who = (terms.project, terms.endpoint, terms.key, terms.tier)
        flat = [part for end in ends for part in (*end, f'{{"request_id":"{end[0]}"}}')]
        return [said[0].decode() for said in self.call("settle_all", *who, *flat, self.now)]

    def reap(self) -> int:
        return int(self.call("reap", 100, self.now))

    def account(self, name: str) -> dict[str, int]:
        """Return the whole-number fields of ``p:…``, ``e:…`` or ``k:…``."""
        raw = self.redis.hgetall(f"{self.tag}:{name}")
        return {k.decode(): int(float(v)) for k, v in raw.items()}

    def events(self) -> list[tuple[str, str, str]]:
        """Return kind, event and what it was, of every usage event."""
        said = [fields for _, fields in self.redis.xrange(f"{self.tag}:usage")]
        return [(f[b"kind"].decode(), f[b"event"].decode(), f[b"was"].decode()) for f in said]

    def everything(self) -> dict[bytes, bytes | None]:
        """Return a dump of every key of the shard: equal dumps mean that nothing happened."""
        keys = sorted(self.redis.scan_iter(match=f"{self.tag}*", count=1000))
        return {key: self.redis.dump(key) for key in keys}

    def forget(self) -> None:
        """Delete what this shard holds."""
        for key in self.redis.scan_iter(match=f"{self.tag}*", count=1000):
            self.redis.delete(key)
        self.redis.close()
