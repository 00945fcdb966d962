"""One tenant's limits can be others than its tier's: told to gateways, shown, and over in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from audit.models import AuditEntry
from catalog import selectors as catalog
from common import clock
from common.actor import SYSTEM
from endpoints import overrides
from endpoints.errors import OverrideMalformed
from endpoints.models import Endpoint, LimitOverride
from endpoints.rules import limits_in_force
from inference.contracts.entries import Route, Terms, load
from inference.contracts.names import route_key
from projects.models import Project
from tests.make import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def terms_in(valkey: redis.Redis, endpoint: Endpoint) -> Terms:
    name = route_key(endpoint.project.public_id, endpoint.slug)
    return load(Route, str(valkey.get(name))).terms


def raise_to(project: Project, endpoint: Endpoint | None = None, **limits: int) -> None:
    overrides.set_override(
        project=project,
        endpoint=endpoint,
        limits=limits,
        reason="A launch",
        ends_at=clock.now() + timedelta(days=1),
        by=SYSTEM,
    )


def test_endpoint_wins_over_its_project_limit_by_limit(
    valkey: redis.Redis, acme: Project, rival: Project
) -> None:
    one, two = make_endpoint(acme, "one"), make_endpoint(acme, "two")
    theirs = make_endpoint(rival, "theirs")
    tier = catalog.terms_at(one.tier, clock.now())

    raise_to(acme, requests_per_min=500, concurrent=7)
    raise_to(acme, two, requests_per_min=900)

    assert (terms_in(valkey, one).requests_per_min, terms_in(valkey, one).concurrent) == (500, 7)
    assert (terms_in(valkey, two).requests_per_min, terms_in(valkey, two).concurrent) == (900, 7)
    assert terms_in(valkey, one).tokens_per_min == tier.tokens_per_min
    assert terms_in(valkey, one).price_per_million == tier.price_per_million
    assert terms_in(valkey, theirs).requests_per_min == tier.requests_per_min


def test_override_ends_by_hand_and_by_itself(valkey: redis.Redis, acme: Project) -> None:
    endpoint = make_endpoint(acme, "one")
    before = terms_in(valkey, endpoint)

    raise_to(acme, requests_per_min=500)
    overrides.end_override(project=acme, endpoint=None, by=SYSTEM)
    assert terms_in(valkey, endpoint) == before

    raise_to(acme, requests_per_min=500)
    assert overrides.end_due() == 0
    LimitOverride.objects.filter(ended_at=None).update(ends_at=clock.now())
    assert overrides.end_due() == 1
    assert terms_in(valkey, endpoint) == before
    assert not LimitOverride.objects.filter(ended_at=None).exists()


def test_new_override_replaces_the_one_before_and_both_are_on_record(
    valkey: redis.Redis, acme: Project
) -> None:
    endpoint = make_endpoint(acme, "one")
    raise_to(acme, requests_per_min=500)
    raise_to(acme, concurrent=9)

    assert terms_in(valkey, endpoint).requests_per_min != 500
    assert LimitOverride.objects.filter(ended_at=None).count() == 1
    assert AuditEntry.objects.filter(action="limits.overridden").count() == 2


def test_project_is_shown_what_was_set_for_it(as_ada: APIClient, acme: Project) -> None:
    make_endpoint(acme, "one")
    raise_to(acme, requests_per_min=500)
    base = f"/{acme.public_id}/v1/management/endpoints"

    one, many = as_ada.get(f"{base}/one").json(), as_ada.get(base).json()["data"]

    assert [row["requests_per_min"] for row in one["overrides"]] == [500]
    assert one["overrides"][0]["reason"] == "A launch"
    assert many[0]["overrides"] == one["overrides"]


def test_override_needs_a_limit_a_reason_and_an_end_to_come(acme: Project) -> None:
    good = {"limits": {"concurrent": 2}, "reason": "Why", "ends_at": None}
    wrongs: tuple[dict[str, object], ...] = (
        {"limits": {}},
        {"limits": {"price_per_million": 1}},
        {"limits": {"concurrent": 0}},
        {"reason": " "},
        {"ends_at": clock.now()},
    )
    for wrong in wrongs:
        with pytest.raises(OverrideMalformed):
            overrides.set_override(project=acme, endpoint=None, by=SYSTEM, **{**good, **wrong})  # type: ignore[arg-type] # why: one wrong at a time


def test_command_sets_and_ends(valkey: redis.Redis, acme: Project) -> None:
    endpoint = make_endpoint(acme, "one")
    said = ("--endpoint", "one", "--requests-per-min", "500", "--reason", "A launch")

    call_command("override", "acme", *said, "--until", "2199-01-31")
    assert terms_in(valkey, endpoint).requests_per_min == 500
    call_command("override", acme.public_id, "--endpoint", "one", "--end")
    assert terms_in(valkey, endpoint).requests_per_min != 500

    for wrong in (["nobody"], ["acme"], ["acme", "--endpoint", "none"], ["acme", "--end"]):
        with pytest.raises(CommandError):
            call_command("override", *wrong)


def test_later_overrides_win_limit_by_limit() -> None:
    none = dict.fromkeys(
        ("requests_per_min", "tokens_per_min", "concurrent", "monthly_tokens",
         "request_timeout_s", "idle_timeout_s")
    )  # fmt: skip

    assert limits_in_force([{**none, "concurrent": 1}, {**none, "tokens_per_min": 5}, none]) == {
        "concurrent": 1,
        "tokens_per_min": 5,
    }
