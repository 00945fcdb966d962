"""Check the audit log, or write it out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import export, selectors
from audit.selectors import ChainFault


class Command(BaseCommand):
    """``manage.py audit verify`` and ``manage.py audit export --project proj_…``."""

    help = "Verify the chains of the audit log, or export a project's entries as JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the two verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("verify", help="check every chain; exit status 1 if one is broken")
        export_verb = verbs.add_parser("export", help="write entries as JSON lines, oldest first")
        export_verb.add_argument("--project", default="", help="public id; empty: the platform's")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        if verb == "verify":
            self._verify()
        else:
            for chunk in export.json_lines(project=options["project"]):
                self.stdout.write(chunk, ending="")

    def _verify(self) -> None:
        count = 0
        for found in selectors.faults():
            count += 1
            self.stdout.write(_line(found))
        if count:
            places = "1 place" if count == 1 else f"{count} places"
            raise CommandError(f"The audit log is broken in {places}, listed above.")
        self.stdout.write("Every chain of the audit log is whole.")


def _line(found: ChainFault) -> str:
    fault = found.fault
    rows = f"{fault.number}" if fault.until == fault.number else f"{fault.number}-{fault.until}"
    return f"{found.chain or 'platform'} entry {rows}: {fault.damage}"
