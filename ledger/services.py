"""Movements of money made by people and providers. Charges come from usage, with its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor
from ledger.errors import AmountMalformed
from ledger.models import LedgerEntry
from ledger.rules import EntryKind

if TYPE_CHECKING:
    from projects.models import Project

MOST = 10**15
"""A billion units: beyond any honest amount, and far inside 64 bits."""


def top_up(
    *,
    project: Project,
    amount: int,
    note: str = "",
    reference: str | None = None,
    by: Actor = SYSTEM,
) -> LedgerEntry:
    """Add prepaid credit; with a ``reference`` it counts once, however often it is told.

    Raises ``AmountMalformed``.
    """
    if not 0 < amount <= MOST:
        raise AmountMalformed("Give an amount above zero, in micro-units.", param="amount")
    return _move(project, EntryKind.TOP_UP, amount, note=note, reference=reference, by=by)


def refund(*, project: Project, amount: int, note: str, by: Actor = SYSTEM) -> LedgerEntry:
    """Give credit back for something that went wrong. Raises ``AmountMalformed``."""
    if not 0 < amount <= MOST:
        raise AmountMalformed("Give an amount above zero, in micro-units.", param="amount")
    return _move(project, EntryKind.REFUND, amount, note=note, by=by)


def adjust(
    *,
    project: Project,
    amount: int,
    note: str,
    reference: str | None = None,
    by: Actor = SYSTEM,
) -> LedgerEntry:
    """Correct a balance in either direction, and say why. Raises ``AmountMalformed``."""
    if amount == 0 or abs(amount) > MOST:
        raise AmountMalformed("Give an amount other than zero, in micro-units.", param="amount")
    return _move(project, EntryKind.ADJUSTMENT, amount, note=note, reference=reference, by=by)


def _move(
    project: Project,
    kind: EntryKind,
    amount: int,
    *,
    note: str,
    reference: str | None = None,
    by: Actor,
) -> LedgerEntry:
    with transaction.atomic():
        said = {
            "project": project,
            "at": clock.now(),
            "kind": kind,
            "amount": amount,
            "note": note,
            "written_by": by.name,
        }
        if reference is None:
            entry, is_new = LedgerEntry.objects.create(**said), True
        else:
            entry, is_new = LedgerEntry.objects.get_or_create(reference=reference, defaults=said)
        if is_new:
            audit.record(
                by=by,
                action=f"ledger.{kind.value}",
                project=project.public_id,
                subject=("ledger_entry", str(entry.pk)),
                after={"amount": amount, "note": note},
            )
            outbox.announce("ledger", project.pk)
    return entry
