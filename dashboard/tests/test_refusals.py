"""What was refused is on the screen: how often, why, what to do, and each by its id."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from accounts.models import User
from dashboard.tests.cast import signed_in, used
from inference.contracts.tallies import RefusalBatch, RefusedRequest, Tally
from projects.models import Project
from tests.make import make_endpoint, request_id
from usage import refusals


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def refuse(project: Project, code: str, count: int = 1, *, mine: str = "") -> str:
    """Have something refused so often; return the id of the last."""
    now = time.time()
    tally = Tally(int(now) // 60 * 60, project.public_id, "chat", "key_a", code, count)
    one = RefusedRequest(
        request_id(), mine, now, project.public_id, "chat", "key_a", "chat/completions", code,
        429, "Not now.",
    )  # fmt: skip
    refusals.take_in(RefusalBatch(request_id(), (tally,), (one,)).text())
    return one.request_id


def text_of(page: Client, project: Project, what: str = "", **said: str) -> str:
    return page.get(f"/dashboard/{project.public_id}/{what}", said).content.decode()


def test_overview_says_how_many_were_refused_and_why(page: Client, acme: Project) -> None:
    refuse(acme, "rate_limit_exceeded", 6)
    refuse(acme, "ip_not_allowed", 4)

    answer = page.get(f"/dashboard/{acme.public_id}/")

    shown = answer.context["page"]
    assert shown.refused.sentence == "10 refused: 6 rate limit, 4 address"
    assert "Add the caller" in answer.content.decode()
    at = shown.chart.labels.index("Refused")
    assert sum(shown.chart.figures["series"][at]) == 10


def test_endpoint_that_refuses_everything_is_named_with_its_reason(
    page: Client, acme: Project
) -> None:
    make_endpoint(acme, "gpu-chat")

    shown = text_of(page, acme)

    assert "gpu-chat</a> refuses everything." in shown
    assert "No machine serves its model" in shown
    assert "no worker" in text_of(page, acme, "endpoints/")
    assert "No machine serves its model" in text_of(page, acme, "endpoints/gpu-chat/")


@pytest.mark.parametrize("by", ["ours", "callers"])
def test_search_finds_a_request_by_either_id(
    page: Client, acme: Project, rival: Project, by: str
) -> None:
    no = refuse(acme, "quota_exceeded", mine="mine-no")
    yes = used(acme, caller_request_id="mine-yes").request_id
    refuse(rival, "quota_exceeded", mine="mine-no")

    refused = page.get(
        f"/dashboard/{acme.public_id}/usage/", {"q": no if by == "ours" else "mine-no"}
    ).context["page"]
    admitted = page.get(
        f"/dashboard/{acme.public_id}/usage/", {"q": f" {yes} " if by == "ours" else "mine-yes"}
    ).context["page"]

    assert [row.request_id for row in refused.refusals] == [no]
    assert refused.records == ()
    assert [row.request_id for row in admitted.records] == [yes]


def test_only_failed_shows_what_was_refused_too(page: Client, acme: Project) -> None:
    no = refuse(acme, "insufficient_balance", 3)
    used(acme)

    shown = page.get(f"/dashboard/{acme.public_id}/usage/", {"failed": "1"}).context["page"]

    assert shown.refused.total == 3
    assert [row.request_id for row in shown.refusals] == [no]
    assert shown.records == ()


def test_caller_that_left_is_shown_apart_from_failures(page: Client, acme: Project) -> None:
    used(acme, status=499, ending="caller_left")
    used(acme, status=502, ending="worker_broke")

    shown = text_of(page, acme, "usage/")

    assert "1 failed · 1 left early" in shown
    assert "no streams in this range" in shown


def test_suspended_project_reads_why_on_every_page(page: Client, acme: Project) -> None:
    acme.suspension_reason, acme.suspended_at = "Unpaid since May.", acme.created_at
    acme.save()

    for what in ("", "usage/", "keys/", "settings/"):
        shown = text_of(page, acme, what)
        assert "This project is suspended" in shown
        assert "Unpaid since May." in shown
