"""What an empty shard is told of before it opens, and what of that counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inference.tests.test_admission_functions import uuid7_at
from inference.tests.valkey import Shard, Terms


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard()
    yield shard
    shard.forget()


def test_restored_account_keeps_what_the_control_plane_said_meanwhile() -> None:
    """Whoever restores has read PostgreSQL before; grants and budgets are told at any time."""
    shard = Shard(opened=False)
    shard.call("grant", "proj_a", 1500, 6)
    shard.call("budget", "p:proj_a", "", 3)
    shard.call("budget", "k:key_1", 70, 2)

    old = ("granted", 1000, "seq", 5, "budget", 9, "budget_v", 2)
    shard.call("restore", "p:proj_a", *old, "spent", 40)
    shard.call("restore", "k:key_1", "budget", 80, "budget_v", 3, "m:202611", 5)
    shard.call("restore", "e:ep_1", "m:202611", 5)

    assert shard.account("p:proj_a") == {"granted": 1500, "seq": 6, "budget_v": 3, "spent": 40}
    assert shard.account("k:key_1") == {"budget": 80, "budget_v": 3, "m:202611": 5}
    assert shard.account("e:ep_1") == {"m:202611": 5}
    shard.forget()


def test_request_that_postgresql_has_is_not_charged_again_after_a_loss(shard: Shard) -> None:
    known = uuid7_at(shard.now)
    shard.call("remember", known)

    assert shard.settle(known, Terms(), 10, 30) == "again"
    assert shard.account("p:proj_a") == {}
    assert shard.events() == []


def test_request_that_postgresql_has_by_estimate_is_charged_the_difference(shard: Shard) -> None:
    known, terms = uuid7_at(shard.now), Terms()
    who = (terms.project, terms.endpoint, terms.key, terms.tier)
    told = [shard.call("orphan", known, *who, 10, 90, 100) for _ in range(2)]

    words = [shard.settle(known, terms, 30, 30) for _ in range(2)]

    assert (told, words) == ([1, 0], ["amended", "again"])
    assert shard.account("p:proj_a")["spent"] == -70
    assert [(kind, was) for kind, _, was in shard.events()] == [("amend", "10 90 100")]
