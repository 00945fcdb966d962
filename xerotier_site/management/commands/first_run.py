"""Bring a platform up to date at its start, and furnish it at its first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from xerotier_site import first_run, own_machine


class Command(BaseCommand):
    """``manage.py first_run``: what ``make run`` asks for before it starts the server."""

    help = "Migrate, load the defaults, let this machine in; on an empty platform, open it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what the supervisor says."""
        parser.add_argument("--url", required=True, help="address that people open")
        parser.add_argument("--quickstart", type=Path, required=True, help="file for the keys")
        parser.add_argument("--machine", type=Path, required=True, help="state of its own machine")
        parser.add_argument("--own-url", required=True, help="where that reaches the platform")
        parser.add_argument("--serves", action="append", default=[], metavar="MODEL")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it. The last line says whether anything was created, one before what can't serve."""
        first_run.bring_up_to_date()
        fault = own_machine.settle(options["machine"], options["own_url"], options["serves"])
        if fault:
            self.stdout.write(f"machine: {fault}")
        is_new = first_run.furnish(options["url"], options["quickstart"])
        first_run.publish()
        self.stdout.write("first run: created" if is_new else "first run: nothing to do")
