"""Carry what changed to the data plane: at once after a commit, and again until it arrived.

A note says which row changed, never how; the row is loaded as it is now. So notes may be
repeated, reordered or merged, and a lost one is mended by ``reconcile``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import redis
from django.conf import settings
from django.db.models import QuerySet

from apikeys import selectors as key_selectors
from apikeys import services as apikeys
from apikeys.models import ApiKey
from common import tenancy
from common.models import OutboxEntry
from common.readers import Away, NotYet, Reader
from endpoints import services as endpoints
from endpoints.models import Endpoint
from inference.contracts import pass_keys as pass_keys_contract
from publisher import machines, money, store
from publisher.entries import Entry, grants_of, pass_keys, route_of

logger = logging.getLogger(__name__)

BATCH = 500


def take(note: OutboxEntry) -> None:
    """Publish what a note speaks of. Raises ``Away`` or ``NotYet`` when it has to wait."""
    try:
        # The note says which row; whose it is was asked when it changed.
        with tenancy.system():
            store.put(list(_entries(note.topic, note.subject_id)))
            _TELLERS.get(note.topic, _nobody)(note.subject_id)
    except redis.ResponseError as fault:
        # It answers, and refuses: no gateway has loaded the functions yet, or its disk is full.
        raise NotYet(str(fault)) from fault
    except redis.RedisError as fault:
        raise Away(str(fault)) from fault


def reader() -> Reader:
    """Return the publisher as the outbox knows it."""
    return Reader("publisher", frozenset(_READERS) | frozenset(_TELLERS), take)


def reconcile() -> int:
    """Publish everything again, money too; return how many entries were missing or old."""
    written = 0
    _drop_keys_of_another_address()
    for entry in _everything():
        written += store.put([entry])
    return written + _money()


def _drop_keys_of_another_address() -> None:
    """Forget the keys of passes and tokens as they were told under another ``XEROTIER_URL``.

    Their version counts the keys alone, so they would not be told anew, and gateways would
    refuse every pass and every machine's token, which name the address of today.
    """
    held: Any = store.client().get(pass_keys_contract.NAME)
    if held and pass_keys_contract.load(held).issuer != settings.PUBLIC_URL:
        store.client().delete(pass_keys_contract.NAME)


def _money() -> int:
    try:
        return money.tell_all()
    except redis.ResponseError as fault:
        # No gateway has loaded the functions yet, so none has an account that could be behind.
        logger.info("telling the accounts waits for a gateway: %s", fault)
        return 0


def _everything() -> Iterator[Entry]:
    for key in _keys().iterator(chunk_size=BATCH):
        yield from grants_of(key)
    for endpoint in _endpoints().iterator(chunk_size=BATCH):
        yield route_of(endpoint)
    yield from machines.everything()
    if key_selectors.newest_signing_key() is not None:
        yield pass_keys()


def _entries(topic: str, subject_id: str) -> Iterable[Entry]:
    read = _READERS.get(topic)
    return read(subject_id) if read else ()


def _grants(primary_keys: list[int]) -> Iterator[Entry]:
    for key in _keys().filter(pk__in=primary_keys):
        yield from grants_of(key)


def _routes(primary_keys: list[int]) -> Iterator[Entry]:
    for endpoint in _endpoints().filter(pk__in=primary_keys):
        yield route_of(endpoint)


def _keys() -> QuerySet[ApiKey]:
    return ApiKey.objects.select_related("project", "endpoint").prefetch_related("secrets")


def _endpoints() -> QuerySet[Endpoint]:
    return Endpoint.objects.select_related("project", "model", "tier", "fallback")


_READERS: dict[str, Callable[[str], Iterable[Entry]]] = {
    "apikey": lambda subject: _grants([int(subject)]),
    "project": lambda subject: [
        *_grants(apikeys.touch_keys(int(subject))),
        *_routes(endpoints.touch_endpoints(project_id=int(subject))),
        *machines.of_project(int(subject)),
    ],
    "limits": lambda subject: _routes(endpoints.touch_endpoints(project_id=int(subject))),
    "endpoint": lambda subject: _routes([int(subject)]),
    "worker": lambda subject: machines.of_worker(int(subject)),
    "agent": lambda subject: machines.of_agents([int(subject)]),
    "jwks": lambda subject: [pass_keys()],
    "tier": lambda subject: _routes(endpoints.touch_endpoints(tier_id=int(subject))),
    "model": lambda subject: _routes(endpoints.touch_endpoints(model_id=int(subject))),
}
"""For each topic, what of the data plane depends on its subject."""

_TELLERS: dict[str, Callable[[str], object]] = {
    "ledger": money.tell_account,
    "budget": money.tell_budget,
}
"""For each topic that needs more than entries, who tells the data plane."""


def _nobody(_subject: str) -> None:
    """Tell nothing: the entries say it all."""
