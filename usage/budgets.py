"""Budgets: what a project, an endpoint or a key may cost in a month, and who is told when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import F
from django.template.loader import render_to_string

from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor
from common.money import money
from common.problems import Stale
from projects import selectors as projects
from projects.rules import Role
from usage import rules, selectors
from usage.errors import BudgetMalformed, BudgetTaken
from usage.models import Budget, BudgetNotice, BudgetScope

if TYPE_CHECKING:
    from projects.models import Project


def set_budget(
    *,
    project: Project,
    scope: str,
    subject_id: str,
    amount: int,
    is_enforced: bool = False,
    by: Actor = SYSTEM,
) -> Budget:
    """Set or change what something may cost in a UTC month. Raises ``BudgetMalformed``."""
    if amount <= 0:
        raise BudgetMalformed("Give an amount above zero, in micro-units.", param="amount")
    if scope == BudgetScope.PROJECT and subject_id != project.public_id:
        raise BudgetMalformed("A project's budget is for that project.", param="subject_id")
    with transaction.atomic():
        budget, is_new = Budget.objects.select_for_update().get_or_create(
            project=project,
            scope=scope,
            subject_id=subject_id,
            defaults={"amount": amount, "is_enforced": is_enforced},
        )
        before = {} if is_new else {"amount": budget.amount, "enforced": budget.is_enforced}
        if not is_new:
            budget.amount, budget.is_enforced, budget.ended_at = amount, is_enforced, None
            budget.version = F("version") + 1
            budget.save(update_fields=["amount", "is_enforced", "ended_at", "version", "set_at"])
            budget.refresh_from_db()
        after = {"amount": amount, "enforced": is_enforced}
        _tell(budget, "budget.set", by, before, after)
    return budget


def open_budget(
    *,
    project: Project,
    scope: str,
    subject_id: str,
    amount: int,
    is_enforced: bool = False,
    by: Actor = SYSTEM,
) -> Budget:
    """Set a budget where there is none. Raises ``BudgetTaken`` and ``BudgetMalformed``."""
    with transaction.atomic():
        # Two who ask at once would both find none, and the second would overwrite the first.
        projects.locked(project)
        live = Budget.objects.filter(
            project=project, scope=scope, subject_id=subject_id, ended_at=None
        ).first()
        if live is not None:
            raise BudgetTaken(f"{live.public_id} watches this already; change that one.")
        return set_budget(
            project=project,
            scope=scope,
            subject_id=subject_id,
            amount=amount,
            is_enforced=is_enforced,
            by=by,
        )


def change_budget(
    *, budget: Budget, amount: int | None = None, is_enforced: bool | None = None, by: Actor
) -> Budget:
    """Change what is said of a budget, if it still is as it was read. Raises ``Stale``."""
    with transaction.atomic():
        rows = Budget.objects.select_for_update().filter(pk=budget.pk, ended_at=None)
        if not rows.filter(version=budget.version).exists():
            raise Stale("The budget has changed since you read it. Read it again.")
        return set_budget(
            project=budget.project,
            scope=budget.scope,
            subject_id=budget.subject_id,
            amount=budget.amount if amount is None else amount,
            is_enforced=budget.is_enforced if is_enforced is None else is_enforced,
            by=by,
        )


def end_budget(*, budget: Budget, by: Actor = SYSTEM) -> None:
    """Lift a budget."""
    with transaction.atomic():
        Budget.objects.filter(pk=budget.pk).update(ended_at=clock.now(), version=F("version") + 1)
        _tell(budget, "budget.ended", by, {"amount": budget.amount}, {})


def notify_thresholds() -> int:
    """Tell of every threshold that was reached and not told this month; return how many."""
    month = rules.month_of(clock.now())
    told = 0
    for budget in Budget.objects.filter(ended_at=None).select_related("project"):
        spent = _spent(budget, month)
        for percent in rules.reached(spent, budget.amount):
            told += _notify(budget, month, percent, spent)
    return told


def _spent(budget: Budget, month: datetime) -> int:
    return selectors.cost_since(
        project=budget.project, since=month, scope=budget.scope, subject_id=budget.subject_id
    )


def _notify(budget: Budget, month: datetime, percent: int, spent: int) -> bool:
    try:
        with transaction.atomic():
            BudgetNotice.objects.create(
                project=budget.project,
                budget=budget,
                month=month.date(),
                percent=percent,
                spent=spent,
            )
            transaction.on_commit(lambda: _mail(budget, percent, spent), robust=True)
    except IntegrityError:
        # Told before this month, perhaps by another beat a moment ago.
        return False
    return True


def _mail(budget: Budget, percent: int, spent: int) -> None:
    seats = projects.members_of(project=budget.project).filter(role__in=(Role.OWNER, Role.ADMIN))
    said = {
        "project": budget.project,
        "budget": budget,
        "percent": percent,
        "spent": money(spent),
        "amount": money(budget.amount),
        "url": f"{settings.PUBLIC_URL}/dashboard/{budget.project.public_id}/usage/",
    }
    text = render_to_string("usage/email/budget.txt", said)
    subject = f"{percent} % of a budget of {budget.project.name} is used"
    send_mail(subject, text, None, [seat.user.email for seat in seats])


def _tell(
    budget: Budget,
    action: str,
    by: Actor,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    outbox.announce("budget", budget.pk)
    audit.record(
        by=by,
        action=action,
        project=budget.project.public_id,
        subject=("budget", budget.public_id),
        before=before,
        after=after,
    )
