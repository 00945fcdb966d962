"""Put the data plane's counters back after Valkey lost them: balances, budgets, this month.

A shard without an epoch serves nobody: admission answers 503 until what PostgreSQL knows is
back. Requests of the last two days are remembered, so that no journal charges them again;
then the shard is opened, and admissions begin once the gateways have replayed their journals.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import redis
from django.db import connection, transaction
from django.db.models import QuerySet

from common import clock
from inference.contracts import functions
from inference.contracts.functions import (
    Call,
    Whose,
    account_of,
    allowance_field,
    epoch_key,
    month_field,
    restoring_key,
)
from inference.contracts.names import SHARDS, shard_tag, tag_of
from publisher.services import reconcile
from usage import intake, rules
from usage.models import Budget, StreamMark, UsageRecord

REMEMBERED = timedelta(hours=49)
LOST = "gateway_lost"
"""How a request ended that the reaper settled by estimate."""
REPLAY_S = 3
"""How long journals have before admissions begin; none is needed where nothing was used."""

_SPENT = """
SELECT project.public_id,
    coalesce(sum(amount) FILTER (WHERE kind NOT IN ('charge', 'amend')), 0),
    coalesce(max(entry.id) FILTER (WHERE kind NOT IN ('charge', 'amend')), 0),
    coalesce(-sum(amount) FILTER (WHERE kind IN ('charge', 'amend')), 0)
FROM projects_project AS project
LEFT JOIN ledger_ledgerentry AS entry ON entry.project_id = project.id
GROUP BY project.public_id
"""
_MONTH = """
SELECT project.public_id, endpoint_id, key_id, sum(cost)
FROM usage_usagerollup JOIN projects_project AS project ON project.id = project_id
WHERE grain = 'day' AND at >= %s GROUP BY 1, 2, 3
"""
_ALLOWANCE = """
SELECT project.public_id, tier, sum(tokens_in + tokens_out)
FROM usage_record JOIN projects_project AS project ON project.id = project_id
WHERE started_at >= %s GROUP BY 1, 2
"""
Fields = dict[str, int]
Tokens = Mapping[int, str]
"""For each shard, what lies in it while it is restored."""


def restore_missing(client: redis.Redis) -> int:
    """Restore and open every shard that has no epoch; return how many were opened.

    Raises ``redis.ResponseError``, and opens none, while keys and endpoints can't be published or
    no gateway has loaded the admission functions.
    """
    missing = _missing(client)
    if not missing:
        return 0
    tokens = begin(client, missing)
    intake.begin_restoration()
    # Opened without keys and endpoints, which are gone as well, it would call good keys unknown.
    reconcile()
    return put_back(client, tokens)


def begin(client: redis.Redis, shards: Sequence[int]) -> Tokens:
    """Lay a token into each shard: what is lost while it is restored takes it along.

    Another consumer's token will do, so that two never keep each other from opening.
    """
    mine = uuid.uuid4().hex
    pipe = client.pipeline(transaction=False)
    for shard in shards:
        pipe.set(restoring_key(tag_of(shard)), mine, nx=True, get=True)
    return {
        shard: mine if known is None else str(known)
        for shard, known in zip(shards, pipe.execute(), strict=True)
    }


def put_back(client: redis.Redis, tokens: Tokens) -> int:
    """Restore what is missing and has a token, and open it; return how many shards that were."""
    with transaction.atomic():
        # What another consumer commits while we read would be neither restored nor remembered.
        intake.hold_off_intake()
        missing = [shard for shard in _missing(client) if shard in tokens]
        if not missing:
            return 0
        _restore(client, {tag_of(shard) for shard in missing})
        return _open(client, {shard: tokens[shard] for shard in missing})


def _missing(client: redis.Redis) -> list[int]:
    epochs: Any = client.mget([epoch_key(tag_of(shard)) for shard in range(SHARDS)])
    return [shard for shard, epoch in enumerate(epochs) if epoch is None]


def _restore(client: redis.Redis, tags: set[str]) -> None:
    pipe = client.pipeline(transaction=False)
    for call in (*_counters(), *_known()):
        if functions.tag_in(call) in tags:
            pipe.fcall(*call)
    pipe.execute()


def _counters() -> Iterator[Call]:
    for tag, accounts in _accounts(rules.month_of(clock.now())).items():
        for account, fields in accounts.items():
            yield functions.restore(tag, account, fields)


def _known() -> Iterator[Call]:
    for tag, request_ids in _recent().items():
        for some in _batches(request_ids, 500):
            yield functions.remember(tag, some)
    yield from _estimated()


def _open(client: redis.Redis, tokens: Tokens) -> int:
    wait_s = REPLAY_S if UsageRecord.objects.exists() else 0
    marks = {mark.shard: str(mark) for mark in StreamMark.objects.all()}
    pipe = client.pipeline(transaction=False)
    for shard, token in tokens.items():
        call = functions.open_shard(tag_of(shard), wait_s, marks.get(shard, ""), token)
        pipe.fcall(*call)
    return sum(pipe.execute())


def _accounts(month: datetime) -> Mapping[str, Mapping[str, Fields]]:
    """Return for each shard's tag the fields of every account in it."""
    found: dict[str, dict[str, Fields]] = defaultdict(lambda: defaultdict(dict))
    name = f"{month:%Y%m}"
    for project, granted, sequence, spent in _rows(_SPENT):
        fields = {functions.GRANTED: granted, functions.SEQUENCE: sequence, functions.SPENT: spent}
        found[shard_tag(project)][account_of("project", project)] |= fields
    for project, endpoint_id, key_id, cost in _rows(_MONTH, month):
        payers = {"project": project, "endpoint": endpoint_id, "key": key_id}
        for kind, payer in payers.items():
            fields = found[shard_tag(project)][account_of(kind, payer)]
            fields[month_field(name)] = fields.get(month_field(name), 0) + int(cost)
    for budget in Budget.objects.filter(is_enforced=True, ended_at=None).select_related("project"):
        account = account_of(budget.scope, budget.subject_id)
        ceiling = {functions.BUDGET: budget.amount, functions.BUDGET_VERSION: budget.version}
        found[shard_tag(budget.project.public_id)][account] |= ceiling
    for project, tier, tokens in _rows(_ALLOWANCE, month):
        fields = found[shard_tag(project)][account_of("project", project)]
        fields[allowance_field(name, tier)] = int(tokens)
    return found


def _recent() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    pairs = _records().exclude(ending=LOST).values_list("project__public_id", "request_id")
    for project, request_id in pairs.iterator(chunk_size=5000):
        found[shard_tag(project)].append(request_id)
    return found


def _estimated() -> Iterator[Call]:
    """Tell what was charged by estimate: the truth may still come, and amends it."""
    for one in _records().filter(ending=LOST).select_related("project"):
        project = one.project.public_id
        whose = Whose(one.request_id, project, one.endpoint_id, one.key_id, one.tier)
        yield functions.orphan(whose, one.tokens_in, one.tokens_out, one.cost)


def _records() -> QuerySet[UsageRecord]:
    return UsageRecord.objects.filter(started_at__gte=clock.now() - REMEMBERED).order_by()


def _rows(sql: str, *params: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _batches(items: list[str], size: int) -> Iterable[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
