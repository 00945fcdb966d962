"""An operator finds a tenant, sees how it stands, and can act on it from one page."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from common import clock
from dashboard.tests.cast import signed_in
from endpoints.models import LimitOverride
from inference.contracts.entries import dump
from inference.contracts.tallies import RefusalBatch, RefusedRequest, Tally
from ledger import selectors as ledger
from projects.models import Project
from tests.make import make_endpoint, make_event, request_id
from usage import intake, refusals
from usage.intake import Arrived


@pytest.fixture
def boss(as_operator: Client) -> Client:
    return as_operator


def act(client: Client, project: Project, what: str, **said: Any) -> Any:
    fields = {f"{what}-{name}": value for name, value in said.items()}
    return client.post(f"/admin/tenants/{project.public_id}/", {"act": what, **fields})


def refuse(project: Project, mine: str) -> str:
    now = time.time()
    tally = Tally(int(now) // 60 * 60, project.public_id, "chat", "", "ip_not_allowed", 3)
    one = RefusedRequest(
        request_id(), mine, now, project.public_id, "chat", "", "", "ip_not_allowed", 403, "No."
    )
    refusals.take_in(RefusalBatch("b1", (tally,), (one,)).text())
    return one.request_id


def test_list_shows_how_each_tenant_stands(boss: Client, acme: Project, rival: Project) -> None:
    event = make_event(acme, cost=250_000)
    intake.take_in([Arrived("s", "1-1", dump(event))])
    refuse(acme, "mine")

    page = boss.get("/admin/tenants/", {"sort": "spend"}).context["page"]

    first = page[0]
    assert (first.slug, first.owner, first.spent) == ("acme", "ada@example.com", 250_000)
    assert (first.balance, first.asked, first.refused) == (-250_000, 1, 3)
    assert first.seen is not None
    assert {row.slug for row in page} == {"acme", "rival"}


@pytest.mark.parametrize("by", ["slug", "owner", "refused", "callers", "admitted"])
def test_tenant_is_found_by_its_name_its_owner_or_any_request_id(
    boss: Client, acme: Project, rival: Project, by: str
) -> None:
    event = make_event(acme)
    intake.take_in([Arrived("s", "1-1", dump(event))])
    names = {"slug": "acm", "owner": "ada@", "refused": refuse(acme, "mine-9")}
    names |= {"callers": "mine-9", "admitted": event.request_id}

    answer = boss.get("/admin/tenants/", {"q": names[by]})

    assert [row.slug for row in answer.context["page"]] == ["acme"]
    assert bool(answer.context["found"]) == (by in ("refused", "callers", "admitted"))


def test_operator_suspends_and_lifts(boss: Client, acme: Project) -> None:
    answer = act(boss, acme, "suspend", reason="Unpaid.", until="2199-01-31")
    acme.refresh_from_db()
    assert answer.status_code == 302
    assert acme.is_suspended(clock.now())
    assert acme.suspended_by == "operator@example.com"
    assert "Unpaid." in boss.get(f"/admin/tenants/{acme.public_id}/").content.decode()

    act(boss, acme, "lift")
    acme.refresh_from_db()
    assert not acme.is_suspended(clock.now())


def test_credit_is_typed_in_units_and_shown_with_its_currency(boss: Client, acme: Project) -> None:
    act(boss, acme, "credit", amount="12.50", note="Welcome")

    assert ledger.account_of(project=acme).balance == 12_500_000
    assert "$12.50" in boss.get(f"/admin/tenants/{acme.public_id}/").content.decode()
    for wrong in ("0", "-5", "x", "1e30"):
        assert act(boss, acme, "credit", amount=wrong, note="n").status_code == 200
    assert ledger.account_of(project=acme).balance == 12_500_000


def test_limits_are_raised_for_one_endpoint_and_put_back(boss: Client, acme: Project) -> None:
    make_endpoint(acme, "chat")
    act(boss, acme, "override", endpoint="chat", requests_per_min="500", reason="A launch")
    row = LimitOverride.objects.get(ended_at=None)
    assert (row.requests_per_min, row.concurrent, row.made_by) == (
        500,
        None,
        "operator@example.com",
    )

    assert act(boss, acme, "override", endpoint="none", reason="x").status_code == 200
    act(boss, acme, "restore", endpoint="chat")
    assert not LimitOverride.objects.filter(ended_at=None).exists()


def test_person_is_suspended_with_what_they_alone_own(
    boss: Client, ada: User, acme: Project
) -> None:
    url = f"/admin/people/{ada.pk}/suspend/"
    boss.post(url, {"act": "suspend", "suspend-reason": "Fraud."})
    ada.refresh_from_db()
    acme.refresh_from_db()
    assert (ada.is_active, acme.suspension_reason) == (False, "Fraud.")

    boss.post(url, {"act": "lift"})
    ada.refresh_from_db()
    acme.refresh_from_db()
    assert ada.is_active
    assert not acme.is_suspended(clock.now() + timedelta(days=1))


def test_nobody_but_operators_gets_there(ada: User, acme: Project) -> None:
    client = signed_in(ada)
    for path in ("tenants/", f"tenants/{acme.public_id}/", f"people/{ada.pk}/suspend/"):
        for answer in (client.get(f"/admin/{path}"), client.post(f"/admin/{path}", {})):
            assert answer.status_code in (302, 403)
    act(client, acme, "suspend", reason="x")
    acme.refresh_from_db()
    assert not acme.is_suspended(clock.now())
