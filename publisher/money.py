"""Tell the data plane what a project was granted, and which budgets are ceilings.

Both go through the admission functions (``inference/admission/functions.lua``), which lie in
Valkey once a gateway has loaded them; until then the note waits.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Max, Sum

from inference.contracts import functions
from ledger import selectors as ledger
from ledger.models import LedgerEntry
from ledger.rules import SPENT
from projects.models import Project
from publisher import store
from usage.models import Budget


def tell_account(project_pk: str) -> None:
    """Say what a project was granted in all; the ledger's sequence makes a late word harmless."""
    project = Project.objects.get(pk=int(project_pk))
    granted = ledger.granted_to(project=project)
    _grant(project.public_id, granted.amount, granted.sequence)


def tell_budget(budget_pk: str) -> None:
    """Say an enforced budget's ceiling, or that there is none."""
    budget = Budget.objects.select_related("project").get(pk=int(budget_pk))
    _tell(budget)


def tell_all() -> int:
    """Say every project's grants and every budget again; return how many were behind.

    Raises ``redis.ResponseError`` while no gateway has loaded the admission functions.
    """
    told = 0
    entries = LedgerEntry.objects.exclude(kind__in=SPENT).order_by()
    grants = entries.values_list("project__public_id").annotate(Sum("amount"), Max("id"))
    for public_id, granted, sequence in grants.iterator(chunk_size=500):
        told += _grant(public_id, granted, sequence)
    for budget in Budget.objects.select_related("project").iterator(chunk_size=500):
        told += _tell(budget)
    return told


def _grant(public_id: str, granted: int, sequence: int) -> int:
    return _call(functions.grant(public_id, granted, sequence))


def _tell(budget: Budget) -> int:
    is_ceiling = budget.is_enforced and budget.ended_at is None
    amount = budget.amount if is_ceiling else None
    account = functions.account_of(budget.scope, budget.subject_id)
    return _call(functions.budget(budget.project.public_id, account, amount, budget.version))


def _call(call: functions.Call) -> int:
    done: Any = store.client().fcall(*call)
    return int(done)
