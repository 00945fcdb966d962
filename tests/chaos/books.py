"""Compare three sets of books: what callers saw, what PostgreSQL has, what Valkey counts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from inference.contracts.money import cost_of
from inference.contracts.names import SHARDS, shard_tag
from tests.chaos.callers import Told
from tests.chaos.load import TOKENS_IN
from tests.platform import ROOT
from xerotier_site.embedded.process import inherited

REAPER_S = 5.0
"""How often orphans are looked for."""
AFTER_RETURN_S = 30.0
"""Two lease times: reaping begins so long after Valkey came back."""
LOCK_S = 15.0
"""How long a killed gateway may still hold the reaper's lock."""
SLACK_S = 4.0
REFUSALS = ("service_unavailable", "rate_limit_exceeded", "quota_exceeded", "insufficient_balance")
"""With these nobody was let in, so nothing may be recorded."""

_RECORDS = """
SELECT record.request_id, source, ending, tokens_in, tokens_out, cost,
    coalesce(ledger.charges, 0), coalesce(ledger.amount, 0)
FROM usage_record AS record LEFT JOIN (
    SELECT request_id, count(*) FILTER (WHERE kind = 'charge') AS charges, sum(amount) AS amount
    FROM ledger_ledgerentry WHERE request_id <> '' GROUP BY 1
) AS ledger USING (request_id)
"""
_TOTALS = """
SELECT coalesce(-sum(amount) FILTER (WHERE kind IN ('charge', 'amend')), 0),
    coalesce(sum(amount) FILTER (WHERE kind NOT IN ('charge', 'amend')), 0),
    (SELECT count(*) FROM usage_poisonevent),
    (SELECT coalesce(sum(tokens_in + tokens_out), 0) FROM usage_record WHERE tier = 'free')
FROM ledger_ledgerentry
"""
_MONTHS = """
SELECT account, month, sum(cost) FROM (
    SELECT project.public_id, endpoint_id, key_id, cost,
        to_char(started_at AT TIME ZONE 'UTC', 'YYYYMM') AS month
    FROM usage_record JOIN projects_project AS project ON project.id = project_id
) AS record CROSS JOIN LATERAL (
    VALUES ('p:' || public_id), ('e:' || endpoint_id), ('k:' || key_id)
) AS accounts (account) GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A usage record and what the ledger has for it."""

    request_id: str
    source: str
    ending: str
    tokens_in: int
    tokens_out: int
    cost: int
    charges: int
    amount: int


@dataclass
class Findings:
    """What is wrong, by kind, each with the requests or figures concerned."""

    wrong: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, items: Iterable[object]) -> None:
        """Note what was found of a kind; nothing found is also a finding."""
        self.wrong.setdefault(kind, []).extend(str(item) for item in items)

    @property
    def is_clean(self) -> bool:
        """Say whether all is well."""
        return not any(self.wrong.values())


def read(database_url: str) -> tuple[dict[str, list[Record]], tuple[Any, ...]]:
    """Return every record by request id, and the sums of the ledger."""
    found: dict[str, list[Record]] = {}
    with psycopg.connect(database_url) as connection:
        for row in connection.execute(_RECORDS):
            found.setdefault(row[0], []).append(Record(*row))
        totals = connection.execute(_TOTALS).fetchone()
    assert totals is not None
    return found, totals


def compare(
    told: Iterable[Told], records: Mapping[str, list[Record]], price_per_million: int
) -> Findings:
    """Hold what callers saw against the records, and what they were charged."""
    told = list(told)
    found = compare_presence(told, records)
    finished = [one for one in told if one.ending == "finished" and one.request_id in records]
    found.add(
        "wrong amount",
        [
            (one, records[one.request_id][0])
            for one in finished
            if not _is_right(one, records[one.request_id][0], price_per_million)
        ],
    )
    return found


def compare_presence(told: Iterable[Told], records: Mapping[str, list[Record]]) -> Findings:
    """Say which requests have no record, or two, or a charge that is none of theirs."""
    found, told = Findings(), list(told)
    seen = [one for one in told if one.ending in ("finished", "cut")]
    refused = [one for one in told if one.ending == "refused" and one.code in REFUSALS]
    found.add("lost", [one for one in seen if one.request_id not in records])
    found.add("twice", [rows for rows in records.values() if len(rows) > 1])
    singles = [rows[0] for rows in records.values()]
    found.add("charged twice", [one for one in singles if one.charges > 1])
    found.add("ledger differs", [one for one in singles if one.amount != -one.cost])
    found.add("refused but recorded", [one for one in refused if one.request_id in records])
    return found


def _is_right(told: Told, record: Record, price_per_million: int) -> bool:
    price = 0 if told.endpoint == "free" else price_per_million
    cost = cost_of(TOKENS_IN, told.tokens_out, 0, price_per_million=price, cached_percent=25)
    said = (record.source, record.tokens_in, record.tokens_out, record.cost)
    return said == ("measured", TOKENS_IN, told.tokens_out, cost)


def compare_valkey(
    client: redis.Redis, project: str, totals: tuple[Any, ...]
) -> tuple[Findings, Mapping[str, str]]:
    """Hold Valkey's counters against the ledger, once everything has come to rest."""
    spent, granted, poison, free_tokens = (int(figure) for figure in totals)
    tag = shard_tag(project)
    account: Any = client.hgetall(f"{tag}:p:{project}")
    found = Findings()
    counted = {"spent": spent, "granted": granted}
    for name, true in counted.items():
        found.add(
            f"{name} differs",
            [f"{account.get(name, 0)} in Valkey, {true} in PostgreSQL"]
            if int(account.get(name, 0)) != true
            else [],
        )
    holds = [(name, held) for name, held in account.items() if name in ("held", "ah:free")]
    found.add("open holds", [one for one in holds if int(one[1]) != 0])
    tokens = [
        int(count)
        for name, count in account.items()
        if name.startswith("a:") and name.endswith(":free")
    ]
    if sum(tokens) != free_tokens:
        found.add("allowance differs", [f"{sum(tokens)} in Valkey, {free_tokens} in PostgreSQL"])
    found.add("open leases", leases(client, project))
    found.add("live markers", _live_markers(client, tag))
    found.add("poison", [f"{poison} events"] if poison else [])
    return found, account


def compare_months(client: redis.Redis, project: str, database_url: str) -> Findings:
    """Hold what project, endpoints and keys spent in each month, and hold, against the records."""
    tag = shard_tag(project)
    with psycopg.connect(database_url) as connection:
        true = {(row[0], row[1]): int(row[2]) for row in connection.execute(_MONTHS)}
    counted: dict[tuple[str, str], int] = {}
    held = []
    for kind in "pek":
        for name in client.scan_iter(f"{tag}:{kind}:*", count=1000):
            account: Any = client.hgetall(name)
            months = {field[2:]: int(v) for field, v in account.items() if field[:2] == "m:"}
            who = name.removeprefix(f"{tag}:")
            counted |= {(who, month): spent for month, spent in months.items()}
            held += [f"{who}: {account['held']}"] if int(account.get("held", 0)) else []
    found = Findings()
    differing = [one for one in {*true, *counted} if true.get(one, 0) != counted.get(one, 0)]
    said = (f"{one}: {counted.get(one, 0)} in Valkey, {true.get(one, 0)} true" for one in differing)
    found.add("months differ", said)
    found.add("accounts that hold", held)
    print(f"month counters compared: {len(true)}, {sum(true.values()) // 3} spent")
    return found


def _live_markers(client: redis.Redis, tag: str) -> list[str]:
    # An ended request's marker has an end of its own; a live one's has none.
    markers: Any = client.scan_iter(f"{tag}:r:*", count=1000)
    return [name for name in markers if client.ttl(name) == -1]


def leases(client: redis.Redis, project: str) -> list[tuple[str, float]]:
    """Return the leases of a project's endpoints with the Unix seconds at which they end."""
    found: list[tuple[str, float]] = []
    tag = shard_tag(project)
    endpoints: Any = client.smembers(f"{tag}:endpoints")
    for endpoint in endpoints:
        rows: Any = client.zrange(f"{tag}:l:{endpoint}", 0, -1, withscores=True)
        found += [(name, score / 1e6) for name, score in rows]
    return found


def overdue(client: redis.Redis, project: str, excused_s: float) -> list[tuple[str, float]]:
    """Return leases that should have been reaped.

    ``excused_s`` is how long ago the last thing happened that reaping may wait for.
    """
    now = time.time()
    late = [(name, now - ends) for name, ends in leases(client, project)]
    return [one for one in late if one[1] > 0 and min(one[1], excused_s) > REAPER_S + SLACK_S]


def backlog(client: redis.Redis) -> int:
    """Return how many usage events wait in the streams."""
    pipe = client.pipeline(transaction=False)
    for shard in range(SHARDS):
        pipe.xlen(f"{{s{shard}}}:usage")
    return sum(pipe.execute())


def unsettled(client: redis.Redis, project: str) -> int:
    """Return how much is still under way: events that wait, and requests that hold a lease."""
    return backlog(client) + len(leases(client, project))


def sources(told: Iterable[Told], records: Mapping[str, list[Record]]) -> Counter[str]:
    """Count the records of these requests by who counted their tokens."""
    return Counter(
        row.source for one in told for row in records.get(one.request_id, ()) if one.request_id
    )


def reconcile(environment: Mapping[str, str]) -> list[str]:
    """Have the platform compare its own books; return what it found."""
    child = subprocess.run(
        [sys.executable, "manage.py", "reconcile"],
        cwd=ROOT,
        env={**inherited(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"reconcile ended with {child.returncode}: {child.stdout.strip()}")
    return [] if child.returncode == 0 else [child.stdout + child.stderr]
