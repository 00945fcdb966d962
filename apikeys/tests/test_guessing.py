"""How near a guess comes to a key shows nowhere: keys are found by keyed digest, never compared."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inference.contracts.keys import checksum
from projects.models import Project
from tests.make import make_key

pytestmark = pytest.mark.django_db
CHECKSUM = 6


def guess(plain: str, at: int) -> str:
    """Return a well-formed key that is ``plain`` but for one character."""
    body = plain[:-CHECKSUM]
    body = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
    return body + checksum(body)


def work_for(project: Project, plain: str) -> tuple[int, list[str]]:
    """Return the answer's status, and the statements it took without their values."""
    with CaptureQueriesContext(connection) as seen:
        answer = Client().get(
            f"/{project.public_id}/v1/management/project",
            headers={"Authorization": f"Bearer {plain}"},
        )
    statements = [query["sql"] for query in seen.captured_queries]
    assert not any(plain[-16:] in statement for statement in statements)
    return answer.status_code, [re.sub(r"'[^']*'|\d+", "?", one) for one in statements]


def test_a_near_guess_costs_the_same_work_as_a_far_one(acme: Project) -> None:
    plain = make_key(acme).secret
    last = len(plain) - CHECKSUM - 1

    near, far = work_for(acme, guess(plain, last)), work_for(acme, guess(plain, last - 30))

    assert near == far
    assert near[0] == 401
    assert any("digest" in statement for statement in near[1])
