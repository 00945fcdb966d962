"""The rows of a fleet's run: a project with an endpoint that only its own machines serve."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.chaos.scene import CREDIT, prepare
from tests.chaos.stage import Stage

MODEL = "smollm2-135m-instruct"
_FAILED_OVER = "SELECT count(*) FROM usage_record WHERE (decision ->> 'tried')::int > 0"


@dataclass(frozen=True, slots=True)
class FleetScene:
    """What callers and machines have to know."""

    project: str
    key: str
    join_key: str


def furnish(stage: Stage) -> FleetScene:
    """Make the schema and the rows."""
    prepare(stage)
    from django.db import connections  # noqa: PLC0415 - after the setup

    from ledger.services import top_up  # noqa: PLC0415
    from tests import make  # noqa: PLC0415

    project = make.make_project("chaos")
    top_up(project=project, amount=CREDIT)
    make.make_endpoint(project, "chat", tier="self_hosted")
    key = make.make_key(project)
    join_key = make.make_join_key(project, uses_max=None)
    connections.close_all()
    return FleetScene(project.public_id, key.secret, join_key.secret)


def token_ending_in(seconds: float, token: str) -> str:
    """Return a token as it would be had it been given earlier, signed by the same platform."""
    from django.db import connections  # noqa: PLC0415 - after the setup

    from apikeys import passes  # noqa: PLC0415

    middle = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    try:
        return passes.sign(aged(claims, int(claims["exp"] - time.time() - seconds)))
    finally:
        connections.close_all()


def aged(claims: Mapping[str, Any], by_s: int) -> dict[str, Any]:
    """Return the claims of a token as if it had been made so much earlier; pure."""
    return {**claims, "iat": claims["iat"] - by_s, "exp": claims["exp"] - by_s}


def failed_over(database_url: str) -> int:
    """Return how many requests were answered by another machine than was asked first."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(_FAILED_OVER).fetchone()
    assert row is not None
    return int(row[0])
