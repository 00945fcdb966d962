"""Look at notes that failed too often, try them again, or drop them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import deliveries
from common.actor import SYSTEM
from common.models import OutboxDelivery
from publisher import shelf


class Command(BaseCommand):
    """``manage.py outbox list|retry|drop [ID ...]``: without ids, all that was set aside."""

    help = "Show the notes that were set aside, try them again, or drop them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what can be done."""
        parser.add_argument("act", choices=["list", "retry", "drop"])
        parser.add_argument("ids", nargs="*", type=int, help="ids of deliveries; none: all")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it and say what came of it."""
        act, ids = options["act"], options["ids"]
        if act == "drop" and not ids:
            raise CommandError("Name the deliveries to drop: what is dropped is not sent again.")
        aside = deliveries.set_aside().select_related("note")
        chosen = list(aside.filter(pk__in=ids) if ids else aside)
        if act == "list":
            self._list(chosen)
        elif act == "retry":
            arrived, tried = shelf.retry(chosen, by=SYSTEM)
            self.stdout.write(f"{arrived} of {tried} notes arrived.")
        else:
            self.stdout.write(f"{shelf.drop(chosen, by=SYSTEM)} notes were dropped.")

    def _list(self, chosen: list[OutboxDelivery]) -> None:
        for one in chosen:
            line = f"{one.pk}  {one.note}  to {one.reader}  {one.attempts} tries  {one.fault}"
            self.stdout.write(line)
        self.stdout.write(f"{len(chosen)} notes are set aside.")
