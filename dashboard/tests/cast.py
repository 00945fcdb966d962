"""Clients who are signed in by session, and a look at a page without its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import Client

from accounts.models import User
from inference.contracts.entries import dump
from inference.contracts.events import UsageEvent
from projects.models import Project
from tests.decisions import make_decision, tell
from tests.make import make_event, prove
from usage.intake import Arrived, ensure_partitions, take_in


def signed_in(user: User, *, proven_s_ago: float | None = 0) -> Client:
    """Sign somebody in who said so many seconds ago who they are; never, for none."""
    client = Client()
    client.force_login(user)
    if proven_s_ago is not None:
        prove(client, user, s_ago=proven_s_ago)
    return client


class QueryWhileRendering(Exception):
    """A template asked the database."""


def _refuse(_execute: Any, sql: str, *_rest: Any) -> Any:
    raise QueryWhileRendering(sql)


@contextmanager
def database_blocked() -> Iterator[None]:
    with connection.execute_wrapper(_refuse):
        yield


def used(project: Project, **said: object) -> UsageEvent:
    """Record one request of the past and its decision, the way the bridge does."""
    event = make_event(project, **said)
    ensure_partitions()
    take_in([Arrived("usage", "1-1", dump(event))])
    tell(make_decision(project, request_id=event.request_id, endpoint=event.endpoint))
    return event
