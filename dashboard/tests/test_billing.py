"""Money by page: the balance, the ledger, budgets, and the notice when one fills up."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from dashboard.tests.cast import signed_in, used
from ledger import selectors as ledger
from ledger.services import adjust, top_up
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat
from usage.budgets import set_budget
from usage.models import Budget

UNIT = 1_000_000


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def url(project: Project, rest: str = "") -> str:
    return f"/dashboard/{project.public_id}/settings/billing/{rest}"


def spend(project: Project, micro: int, **said: object) -> None:
    used(project, cost=micro, **said)


def test_balance_is_what_was_granted_less_what_was_spent(
    page: Client, acme: Project, rival: Project
) -> None:
    top_up(project=acme, amount=20 * UNIT)
    top_up(project=rival, amount=99 * UNIT)

    shown = page.get(url(acme)).context["page"]

    assert shown.balance == shown.granted - shown.spent == 20 * UNIT
    assert [row.amount for row in shown.movements] == [20 * UNIT]


def test_no_view_of_the_balance_reads_every_charge(page: Client, acme: Project) -> None:
    top_up(project=acme, amount=20 * UNIT)
    for micro in (30, 12):
        spend(acme, micro)

    with CaptureQueriesContext(connection) as queries:
        shown = page.get(url(acme)).context["page"]

    asked = [query["sql"] for query in queries if "ledger_ledgerentry" in query["sql"]]
    assert (shown.spent, shown.balance) == (42, ledger.account_of(project=acme).balance)
    assert len(asked) == 2
    for sql in asked:
        assert "ledger_movements" in plan_of(sql), plan_of(sql)


def plan_of(sql: str) -> str:
    """Return how the database would answer if the table were large."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())


def test_debt_is_written_with_its_sign(page: Client, acme: Project) -> None:
    adjust(project=acme, amount=-2 * UNIT, note="Charged twice")

    html = page.get(url(acme)).content.decode()

    assert html.count("−$2.00") >= 2
    assert "Charged twice" in html


def test_more_movements_follow_without_gap_or_repeat(page: Client, acme: Project) -> None:
    for cents in range(1, 52):
        top_up(project=acme, amount=cents)

    first = page.get(url(acme)).context["page"]
    second = page.get(first.more_url).context["page"]

    seen = [row.amount for row in (*first.movements, *second.movements)]
    assert seen == list(range(51, 0, -1))
    assert second.more_url == ""


def test_budget_is_set_changed_and_lifted(page: Client, acme: Project) -> None:
    page.post(url(acme, "budgets/new/"), {"subject_id": acme.public_id, "amount": "12.50"})
    made = Budget.objects.get()
    first = (made.scope, made.amount, made.is_enforced)
    page.post(
        url(acme, f"budgets/{made.public_id}/"),
        {"subject_id": acme.public_id, "amount": "30", "is_enforced": "on"},
    )
    made.refresh_from_db()
    second = (made.amount, made.is_enforced)
    page.post(url(acme, f"budgets/{made.public_id}/end/"))

    assert first == ("project", 12_500_000, False)
    assert second == (30 * UNIT, True)
    assert page.get(url(acme)).context["page"].budgets == ()


@pytest.mark.parametrize("scope", ["endpoint", "key"])
def test_budget_of_an_endpoint_or_a_key(page: Client, acme: Project, scope: str) -> None:
    made = {
        "endpoint": make_endpoint(acme, "chat").public_id,
        "key": make_key(acme, name="ci").key.public_id,
    }

    page.post(url(acme, "budgets/new/"), {"subject_id": made[scope], "amount": "1"})

    (row,) = page.get(url(acme)).context["page"].budgets
    assert row.subject == {"endpoint": "Endpoint chat", "key": "Key ci"}[scope]
    assert Budget.objects.get().scope == scope


@pytest.mark.parametrize(
    ("said", "field", "fault"),
    [
        pytest.param({"amount": ""}, "amount", "Say how much", id="no amount"),
        pytest.param({"amount": "ten"}, "amount", "such as 25, $50", id="no number"),
        pytest.param({"amount": "0"}, "amount", "Give at least 0.01", id="nothing"),
        pytest.param({"amount": "-5"}, "amount", "Give at least 0.01", id="below nothing"),
        pytest.param({"amount": "NaN"}, "amount", "such as 25, $50", id="not a number"),
        pytest.param(
            {"subject_id": "{theirs}"}, "subject_id", "no endpoint and no live key", id="foreign"
        ),
    ],
)
def test_refused_budget_says_why_beside_its_field(
    page: Client, acme: Project, rival: Project, said: dict[str, str], field: str, fault: str
) -> None:
    theirs = make_endpoint(rival).public_id
    sent = {"subject_id": acme.public_id, "amount": "5", **said}
    sent = {name: theirs if value == "{theirs}" else value for name, value in sent.items()}

    answer = page.post(url(acme, "budgets/new/"), sent)

    form = answer.context["page"].form
    assert answer.status_code == 422
    assert fault in form.errors[field][0]
    assert form["amount"].value() == sent["amount"]
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("spent", "words"),
    [
        pytest.param(49, "", id="below the first"),
        pytest.param(50, "50 % of a budget is used", id="half"),
        pytest.param(89, "75 % of a budget is used", id="between two"),
        pytest.param(100, "Requests are refused until", id="all of an enforced one"),
    ],
)
def test_overview_tells_of_a_budget_that_fills_up(
    page: Client, acme: Project, spent: int, words: str
) -> None:
    set_budget(
        project=acme,
        scope="project",
        subject_id=acme.public_id,
        amount=100,
        is_enforced=True,
    )
    spend(acme, spent)

    html = page.get(f"/dashboard/{acme.public_id}/").content.decode()

    assert (words in html) if words else ("of a budget is used" not in html)


@pytest.mark.parametrize("path", ["budgets/new/", "budgets/{budget}/", "budgets/{budget}/end/"])
def test_budgets_are_the_owners_matter(acme: Project, path: str) -> None:
    budget = set_budget(project=acme, scope="project", subject_id=acme.public_id, amount=UNIT)
    admin = make_user("eve")
    seat(acme, admin, Role.ADMIN)
    client = signed_in(admin)

    answer = client.post(
        url(acme, path.format(budget=budget.public_id)),
        {"subject_id": acme.public_id, "amount": "9"},
    )

    budget.refresh_from_db()
    assert answer.status_code == 403
    assert (budget.amount, budget.ended_at) == (UNIT, None)
    assert client.get(url(acme)).context["page"].budgets[0].url == ""


def test_budget_of_another_project_is_missing_here(
    page: Client, acme: Project, rival: Project
) -> None:
    theirs = set_budget(project=rival, scope="project", subject_id=rival.public_id, amount=UNIT)

    changed = page.post(url(acme, f"budgets/{theirs.public_id}/"), {"amount": "9"})
    ended = page.post(url(acme, f"budgets/{theirs.public_id}/end/"))

    theirs.refresh_from_db()
    assert (changed.status_code, ended.status_code) == (404, 404)
    assert (theirs.amount, theirs.ended_at) == (UNIT, None)
