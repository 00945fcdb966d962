"""Wherever GET is answered, HEAD is: the same, without a body (RFC 9110 section 9.3.2)."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from projects.models import Project

PLACES = [
    "management/tiers",
    "management/models",
    "management/endpoints",
    "management/api-keys",
    "management/members",
    "management/invitations",
    "management/budgets",
    "management/ledger",
    "management/audit",
    "management/project",
    "usage/records",
    "usage/timeseries",
    "usage/export",
]


@pytest.mark.parametrize("place", PLACES)
def test_head_is_get_without_a_body(manager: APIClient, acme: Project, place: str) -> None:
    path = f"/{acme.public_id}/v1/{place}"

    got, asked = manager.get(path), manager.head(path)

    assert asked.status_code == got.status_code < 500
    assert asked["Content-Type"] == got["Content-Type"]
    assert b"".join(asked) == b""


def test_head_reads_its_question_as_get_does(manager: APIClient, home: str) -> None:
    assert manager.head(f"{home}/endpoints?limit=0").status_code == 400
    assert manager.head(f"{home}/endpoints?limit=1").status_code == 200
