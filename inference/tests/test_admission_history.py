"""Whatever happens in whatever order, the functions agree with a plain model of the rules.

The model keeps a list of requests and sums it whenever it is asked; the functions keep
counters. Each step ends with a comparison of every counter, lease and event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from inference.tests.valkey import Shard, Size, Terms
from tests.made_up import examples

SECOND = 1_000_000
LEASE_US = 15 * SECOND
MONTH = "202611"
SLICE = 256
CONCURRENT = 3
UNLIMITED = 10**12
ENDPOINTS = ("ep_1", "ep_2")
KEYS = ("key_1", "key_2")
ALLOWANCE, QUOTA, QUOTA_S = 6_000, 4, 20


@dataclass
class Held:
    """A request as the model remembers it."""

    terms: Terms
    size: Size
    ends_at: int
    state: str = "live"
    tokens: int = 0
    cost: int = 0
    events: list[str] = field(default_factory=list)


@dataclass
class Level:
    """A bucket as most people would write it: a level that rises with time."""

    level: float
    cap: float
    step_us: int
    at: int

    def refreshed(self, now: int) -> Level:
        risen = self.level + max(now - self.at, 0) / self.step_us
        return Level(min(risen, self.cap), self.cap, self.step_us, now)

    def has(self, amount: float) -> bool:
        return self.level >= amount - 1e-9 or self.level >= self.cap - 1e-9


class Model:
    """The rules, said in the plainest way."""

    def __init__(self) -> None:
        self.requests: dict[str, Held] = {}
        self.granted = 0
        self.budgets: dict[str, int] = {}
        self.quotas: dict[str, tuple[int, int]] = {}
        self.buckets: dict[tuple[str, str], Level] = {}

    def live(self, **where: str) -> list[Held]:
        return [
            held
            for held in self.requests.values()
            if held.state == "live"
            and all(getattr(held.terms, name) == value for name, value in where.items())
        ]

    def held(self, **where: str) -> int:
        return sum(held.size.hold_money for held in self.live(**where))

    def spent(self, **where: str) -> int:
        return sum(
            held.cost
            for held in self.requests.values()
            if all(getattr(held.terms, name) == value for name, value in where.items())
        )

    def bucket(self, terms: Terms, kind: str, now: int) -> Level:
        step, cap = {
            "requests": (terms.request_step_us, terms.request_cap_us),
            "tokens": (int(terms.token_step_us), terms.token_cap_us),
        }[kind]
        fresh = Level(cap / step, cap / step, step, now)
        bucket = self.buckets.get((terms.endpoint, kind), fresh)
        bucket.at = min(bucket.at, now)
        return bucket.refreshed(now)

    def look(self, terms: Terms, now: int) -> None:
        """Read the buckets, whoever refuses in the end: a clock that went back takes them along."""
        for kind in ("requests", "tokens"):
            self.bucket(terms, kind, now)

    def shift(self, terms: Terms, tokens: int, now: int) -> None:
        for kind in ("requests", "tokens"):
            self.buckets[terms.endpoint, kind] = self.bucket(terms, kind, now)
        bucket = self.buckets[terms.endpoint, "tokens"]
        bucket.level = min(bucket.level - tokens, bucket.cap)

    def ceiling(self, terms: Terms, size: Size) -> str | None:
        used = sum(held.tokens for held in self.requests.values())
        used += sum(held.size.hold_tokens for held in self.live())
        if used + size.hold_tokens > ALLOWANCE:
            return "allowance"
        if size.hold_money == 0:
            return None
        for account, where in accounts_of(terms).items():
            committed = self.held(**where) + self.spent(**where)
            if committed + size.hold_money > self.budgets.get(account, UNLIMITED):
                return "budget"
        short = size.hold_money > self.granted - self.spent() - self.held()
        return "balance" if short else None

    def refusal(self, terms: Terms, size: Size, now: int) -> str | None:
        self.look(terms, now)
        count, ends = self.quotas.get(terms.key, (0, 0))
        if now < ends and count >= QUOTA:
            return "quota"
        ceiling = self.ceiling(terms, size)
        if ceiling:
            return ceiling
        leases = [held for held in self.live(endpoint=terms.endpoint) if held.ends_at > now]
        if len(leases) >= CONCURRENT:
            return "concurrency"
        if not self.bucket(terms, "requests", now).level >= 1 - 1e-9:
            return "requests"
        tokens = size.est_in + size.est_out
        return None if self.bucket(terms, "tokens", now).has(tokens) else "tokens"

    def admit(self, name: str, terms: Terms, size: Size, now: int) -> str:
        if name in self.requests:
            return "admitted" if self.requests[name].state == "live" else "ended"
        refusal = self.refusal(terms, size, now)
        if refusal:
            return refusal
        count, ends = self.quotas.get(terms.key, (0, 0))
        window = QUOTA_S * SECOND
        count, ends = (0, now + window) if now >= ends else (count, min(ends, now + window))
        self.quotas[terms.key] = (count + 1, ends)
        self.shift(terms, size.est_in + size.est_out, now)
        self.buckets[terms.endpoint, "requests"].level -= 1
        self.requests[name] = Held(terms, size, now + LEASE_US)
        return "admitted"

    def renew(self, name: str, tokens: int, money: int, now: int) -> str:
        held = self.requests.get(name)
        if held is None:
            return "unknown"
        if held.state != "live":
            return "ended"
        held.ends_at = now + LEASE_US
        more = Size(hold_tokens=tokens, hold_money=money)
        if tokens or money:
            self.look(held.terms, now)
        ceiling = self.ceiling(held.terms, more) if tokens or money else None
        if ceiling:
            return ceiling
        if tokens or money:
            self.shift(held.terms, tokens, now)
            held.size = grown(held.size, tokens, money)
        return "renewed"

    def settle(self, name: str, tokens: int, cost: int, now: int) -> str:
        held = self.requests[name]
        if held.state == "settled":
            return "again"
        estimated = held.size.est_in + held.size.est_out
        word, kind = ("settled", "settle") if held.state == "live" else ("amended", "amend")
        self.shift(held.terms, tokens - estimated, now) if tokens != estimated else None
        held.state, held.tokens, held.cost = "settled", tokens, cost
        held.events.append(kind)
        return word

    def reap(self, now: int) -> int:
        due = [held for held in self.live() if held.ends_at <= now]
        for held in due:
            held.state, held.cost = "reaped", held.size.est_money
            held.tokens = held.size.est_in + held.size.est_out
            held.events.append("settle")
        return len(due)


def grown(size: Size, tokens: int, money: int) -> Size:
    return Size(
        size.est_in,
        size.est_out + tokens,
        size.est_money + money,
        size.hold_tokens + tokens,
        size.hold_money + money,
    )


def accounts_of(terms: Terms) -> dict[str, dict[str, str]]:
    return {
        f"p:{terms.project}": {"project": terms.project},
        f"e:{terms.endpoint}": {"endpoint": terms.endpoint},
        f"k:{terms.key}": {"key": terms.key},
    }


NAMES = st.integers(0, 40).map(lambda number: f"req_{number}")
PRICES = st.sampled_from([0, 1, 3])
ASKS = st.tuples(
    NAMES,
    st.sampled_from(ENDPOINTS),
    st.sampled_from(KEYS),
    st.sampled_from([0, 44, 144, 244, 800]),
    PRICES,
    st.booleans(),
)


class History(RuleBasedStateMachine):
    """Callers, gateways, a reaper and an operator who do as they please."""

    @initialize()
    def open(self) -> None:
        self.shard, self.model = Shard(), Model()
        self.grant(3_000)

    def teardown(self) -> None:
        if hasattr(self, "shard"):
            self.shard.forget()

    def terms(self, endpoint: str, key: str) -> Terms:
        return Terms(
            endpoint=endpoint,
            key=key,
            request_step_us=SECOND,
            request_cap_us=4 * SECOND,
            token_step_us=10_000,
            token_cap_us=10_000 * 1_600,
            concurrent=CONCURRENT,
            quota=QUOTA,
            quota_s=QUOTA_S,
            allowance=ALLOWANCE,
        )

    @rule(asks=st.lists(ASKS, min_size=1, max_size=8))
    def admit(self, asks: list[tuple[str, str, str, int, int, bool]]) -> None:
        for name, endpoint, key, prompt, price, whole in asks:
            tokens = prompt + SLICE
            held = tokens * 2 if whole else tokens
            size = Size(prompt, SLICE, tokens * price, held, held * price)
            terms = self.terms(endpoint, key)
            expected = self.model.admit(name, terms, size, self.shard.now)
            event(f"admit: {expected}")
            assert self.shard.word(name, terms, size) == expected

    @rule(
        asks=st.lists(st.tuples(NAMES, st.sampled_from([0, 44, 144, 800]), PRICES), max_size=6),
        endpoint=st.sampled_from(ENDPOINTS),
        key=st.sampled_from(KEYS),
    )
    def admit_together(self, asks: list[tuple[str, int, int]], endpoint: str, key: str) -> None:
        """A gateway's call for all that came in one tick says what single calls would."""
        terms, now = self.terms(endpoint, key), self.shard.now
        sizes = []
        for name, prompt, price in asks:
            tokens = prompt + SLICE
            sizes.append((name, Size(prompt, SLICE, tokens * price, tokens, tokens * price)))
        expected = [self.model.admit(name, terms, size, now) for name, size in sizes]
        assert self.shard.words(terms, sizes) == expected

    @precondition(lambda self: self.model.requests)
    @rule(data=st.data())
    def settle_together(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.model.requests)), max_size=5))
        # One call is of one key and endpoint.
        terms = self.model.requests[names[0]].terms if names else self.terms("ep_1", "key_1")
        names = [name for name in names if self.model.requests[name].terms == terms]
        ends = [(name, 50, min(50, self.model.requests[name].size.est_money)) for name in names]
        expected = [self.model.settle(*end, self.shard.now) for end in ends]
        assert self.shard.settle_all(terms, ends) == expected

    @rule(data=st.data(), tokens=st.sampled_from([0, SLICE]), price=PRICES)
    def renew(self, data: st.DataObject, tokens: int, price: int) -> None:
        name = data.draw(st.sampled_from([*sorted(self.model.requests), "req_none"]))
        expected = self.model.renew(name, tokens, tokens * price, self.shard.now)
        assert self.shard.renew(name, tokens, tokens * price, ALLOWANCE) == expected

    @precondition(lambda self: self.model.requests)
    @rule(data=st.data(), over=st.sampled_from([0, 0, 100, SLICE]))
    def settle(self, data: st.DataObject, over: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.requests)))
        held = self.model.requests[name]
        tokens = data.draw(st.integers(0, held.size.est_in + held.size.est_out)) + over
        cost = data.draw(st.integers(0, held.size.est_money)) + over
        expected = self.model.settle(name, tokens, cost, self.shard.now)
        assert self.shard.settle(name, held.terms, tokens, cost) == expected

    @rule()
    def reap(self) -> None:
        assert self.shard.reap() == self.model.reap(self.shard.now)

    @rule(seconds=st.sampled_from([0.25, 1, 2, 10, 16, 60]))
    def wait(self, seconds: float) -> None:
        self.shard.now += int(seconds * SECOND)

    @rule(seconds=st.sampled_from([1, 7, 40]))
    def clock_goes_back(self, seconds: int) -> None:
        self.shard.now -= seconds * SECOND

    @rule(amount=st.sampled_from([0, 300, 500, 1_000]))
    def grant(self, amount: int) -> None:
        self.model.granted += amount
        self.seq = getattr(self, "seq", 0) + 1
        self.shard.call("grant", "proj_a", self.model.granted, self.seq)

    @rule(
        account=st.sampled_from(["p:proj_a", "e:ep_1", "k:key_2"]),
        limit=st.none() | st.sampled_from([256, 500, 900, 1_000, 3_000]),
    )
    def set_budget(self, account: str, limit: int | None) -> None:
        self.model.budgets.pop(account, None)
        if limit is not None:
            self.model.budgets[account] = limit
        self.seq += 1
        self.shard.call("budget", account, "" if limit is None else limit, self.seq)

    @invariant()
    def counters_are_the_sums_of_the_requests(self) -> None:
        if not hasattr(self, "shard"):
            return
        for account, where in every_account():
            counted = self.shard.account(account)
            assert counted.get("held", 0) == self.model.held(**where)
            assert counted.get(f"m:{MONTH}", 0) == self.model.spent(**where)
        project = self.shard.account("p:proj_a")
        held = self.model.held()
        assert project.get("spent", 0) == self.model.spent()
        assert project.get("ah:free", 0) == sum(h.size.hold_tokens for h in self.model.live())
        overshoot = SLICE * CONCURRENT * len(ENDPOINTS)
        assert project.get("spent", 0) + held <= self.model.granted + overshoot

    @invariant()
    def leases_are_the_live_requests(self) -> None:
        if not hasattr(self, "shard"):
            return
        live = {name for name, held in self.model.requests.items() if held.state == "live"}
        client, tag = self.shard.redis, self.shard.tag
        leases = [client.zrange(f"{tag}:l:{endpoint}/free", 0, -1) for endpoint in ENDPOINTS]
        assert {name.decode() for names in leases for name in names} == live
        for endpoint in ENDPOINTS:
            leases = client.zcount(f"{tag}:l:{endpoint}/free", f"({self.shard.now}", "+inf")
            assert leases <= CONCURRENT + self.returned(endpoint)

    def returned(self, endpoint: str) -> int:
        """Count leases that had run out when others were let in, and that live again."""
        return max(len(self.model.live(endpoint=endpoint)) - CONCURRENT, 0)

    @invariant()
    def every_end_is_reported_once(self) -> None:
        if not hasattr(self, "shard"):
            return
        said = sorted(kind for kind, _, _ in self.shard.events())
        assert said == sorted(k for held in self.model.requests.values() for k in held.events)


def every_account() -> Iterator[tuple[str, dict[str, str]]]:
    yield "p:proj_a", {"project": "proj_a"}
    yield from ((f"e:{name}", {"endpoint": name}) for name in ENDPOINTS)
    yield from ((f"k:{name}", {"key": name}) for name in KEYS)


TestHistory = pytest.mark.slow(History.TestCase)
TestHistory.settings = examples(
    60, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
