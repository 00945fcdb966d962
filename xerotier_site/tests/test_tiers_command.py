"""Tiers from the shell: seen, changed after a look at what changes, and taken back."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog import selectors
from common import clock
from projects.models import Project
from tests.make import make_endpoint, make_tier, make_worker

pytestmark = pytest.mark.django_db


def tiers(*said: str) -> str:
    told = StringIO()
    call_command("tiers", *said, stdout=told)
    return told.getvalue()


def test_dry_run_says_what_would_change_for_whom_and_changes_nothing(acme: Project) -> None:
    make_endpoint(acme, "chat", tier="gpu_nvidia_shared")

    told = tiers("set", "gpu_nvidia_shared", "--price-per-million", "0.60", "--dry-run")

    assert "Price: $1.25 per 1M tokens → $0.60 per 1M tokens" in told
    assert "for 1 endpoints of 1 projects" in told
    assert make_tier("gpu_nvidia_shared").terms.count() == 1


def test_terms_are_set_and_nothing_else_changes(acme: Project) -> None:
    tier = make_tier("free")

    tiers("set", "free", "--request-timeout-s", "300")

    row = selectors.terms_at(tier, clock.now())
    assert (row.request_timeout_s, row.tokens_per_min, row.monthly_tokens) == (300, 10_000, 100_000)


def test_terms_to_come_are_shown_and_withdrawn() -> None:
    make_tier("free")
    later = (clock.now() + timedelta(days=1)).isoformat()
    tiers("set", "free", "--concurrent", "9", "--from", later)

    assert "Terms 2 begin" in tiers("show", "free")
    tiers("withdraw", "free", "--number", "2")
    assert "Terms 2 begin" not in tiers("show", "free")


def test_list_says_how_many_machines_a_tier_has() -> None:
    make_tier("gpu_nvidia_shared")
    make_worker(tiers=("free",))

    lines = {line.split()[0]: line for line in tiers("list").splitlines()}

    assert "1 live machines" in lines["free"]
    assert "0 live machines" in lines["gpu_nvidia_shared"]


@pytest.mark.parametrize(
    "said",
    [
        ("set", "no-such", "--concurrent", "9"),
        ("set", "free", "--concurrent", "many"),
        ("set", "free", "--concurrent", "9", "--from", "soon"),
        ("set", "free", "--concurrent", "9", "--from", "2020-01-01"),
        ("set", "free"),
        ("withdraw", "free", "--number", "1"),
        ("withdraw", "free", "--number", "7"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(said: tuple[str, ...]) -> None:
    make_tier("free")

    with pytest.raises(CommandError):
        tiers(*said)

    assert make_tier("free").terms.count() == 1
