"""Questions about money. Every one of them names the project it asks about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Max, Q, QuerySet, Sum

from ledger.models import LedgerEntry
from ledger.rules import SPENT

if TYPE_CHECKING:
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class Account:
    """Where a project's money stands, in micro-units. ``balance = granted − spent``."""

    granted: int
    spent: int
    sequence: int

    @property
    def balance(self) -> int:
        """What is left; negative if more was used than was there."""
        return self.granted - self.spent


@dataclass(frozen=True, slots=True)
class Granted:
    """What people and providers gave a project in all, and the entry that last changed it."""

    amount: int
    sequence: int


def granted_to(*, project: Project) -> Granted:
    """Return what a project was granted: cheap, since charges are not looked at."""
    sums = LedgerEntry.objects.filter(~Q(kind__in=SPENT), project=project).aggregate(
        amount=Sum("amount", default=0), sequence=Max("id", default=0)
    )
    return Granted(**sums)


def account_of(*, project: Project) -> Account:
    """Return a project's account, summed over every entry: for checks, not for every view.

    ``usage.selectors.account_of`` says the same without reading every charge.
    """
    sums = LedgerEntry.objects.filter(project=project).aggregate(
        granted=Sum("amount", filter=~Q(kind__in=SPENT), default=0),
        spent=Sum("amount", filter=Q(kind__in=SPENT), default=0),
        # Only what changes ``granted`` makes a new statement of it.
        sequence=Max("id", filter=~Q(kind__in=SPENT), default=0),
    )
    return Account(sums["granted"], -sums["spent"], sums["sequence"])


def entries_of(*, project: Project) -> QuerySet[LedgerEntry]:
    """Return a project's entries, newest first."""
    return LedgerEntry.objects.filter(project=project).order_by("-id")


def movements_of(*, project: Project) -> QuerySet[LedgerEntry]:
    """Return the entries people made, without the charges of single requests."""
    return entries_of(project=project).exclude(kind__in=SPENT)
