"""Tell the data plane what a project was granted, and which budgets are ceilings.

Both go through the admission functions (``inference/admission/functions.lua``), which lie in
Valkey once a gateway has loaded them; until then the note waits.
"""

from __future__ import annotations

from inference.contracts import shard_tag
from ledger import selectors as ledger
from projects.models import Project
from publisher import store
from usage.models import Budget, BudgetScope

_ACCOUNTS = {BudgetScope.PROJECT: "p", BudgetScope.ENDPOINT: "e", BudgetScope.KEY: "k"}


def tell_account(project_pk: str) -> None:
    """Say what a project was granted in all; the ledger's sequence makes a late word harmless."""
    project = Project.objects.get(pk=int(project_pk))
    granted = ledger.granted_to(project=project)
    _call("xt1_grant", project, project.public_id, granted.amount, granted.sequence)


def tell_budget(budget_pk: str) -> None:
    """Say an enforced budget's ceiling, or that there is none."""
    budget = Budget.objects.select_related("project").get(pk=int(budget_pk))
    is_ceiling = budget.is_enforced and budget.ended_at is None
    amount = str(budget.amount) if is_ceiling else ""
    _call("xt1_budget", budget.project, account_name(budget), amount, budget.version)


def account_name(budget: Budget) -> str:
    """Return the account that a budget watches, as the admission functions name it."""
    return f"{_ACCOUNTS[BudgetScope(budget.scope)]}:{budget.subject_id}"


def _call(function: str, project: Project, *said: str | int) -> None:
    store.client().fcall(function, 1, shard_tag(project.public_id), *map(str, said))
