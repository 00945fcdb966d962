"""Grant a project credit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.money import UNIT, money
from common.problems import Problem
from ledger import selectors, services
from projects.models import Project


class Command(BaseCommand):
    """``manage.py credit PROJECT AMOUNT [--note WHY]``."""

    help = "Add prepaid credit to a project (by id or slug), in units of the currency."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what is granted."""
        parser.add_argument("project", help="proj_… or the project's slug")
        parser.add_argument("amount", help="for example 25 or 0.50")
        parser.add_argument("--note", default="Granted by the operator")

    def handle(self, *_args: Any, project: str, amount: str, note: str, **_options: Any) -> None:
        """Grant it and say the balance."""
        found = (
            Project.objects.filter(public_id=project).first()
            or Project.objects.filter(slug=project).first()
        )
        if found is None:
            raise CommandError(f"There is no project {project!r}.")
        try:
            services.top_up(project=found, amount=int(Decimal(amount) * UNIT), note=note)
        except (ArithmeticError, ValueError) as fault:
            raise CommandError(f"{amount!r} is no amount.") from fault
        except Problem as problem:
            raise CommandError(problem.message) from problem
        balance = selectors.account_of(project=found).balance
        self.stdout.write(f"{found.slug} has {money(balance)} now.")
