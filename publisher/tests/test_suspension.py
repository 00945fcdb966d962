"""A suspended project's routes say so, and why; lifted, they are as before."""

from __future__ import annotations

import pytest
import redis

from common.actor import SYSTEM
from inference.contracts.entries import Route, load
from inference.contracts.names import route_key
from projects import suspension
from projects.models import Project
from tests.make import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def reason_in(valkey: redis.Redis, project: Project) -> str:
    return load(Route, str(valkey.get(route_key(project.public_id, "chat")))).suspended


def test_gateways_are_told_the_reason_and_told_again_when_it_is_lifted(
    valkey: redis.Redis, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    assert reason_in(valkey, acme) == ""

    suspension.suspend_project(project=acme, reason="Unpaid.", until=None, by=SYSTEM)
    assert reason_in(valkey, acme) == "Unpaid."

    suspension.lift_project(project=acme, by=SYSTEM)
    assert reason_in(valkey, acme) == ""
