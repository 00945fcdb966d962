"""Send a letter to see whether mail arrives."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from xerotier_site import mail


class Command(BaseCommand):
    """``manage.py testmail ADDRESS``: exit status 1 and the reason if it can't be sent."""

    help = "Send a test mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe where it goes."""
        parser.add_argument("address", help="who gets it")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Send it, and say where it was handed over."""
        try:
            mail.send_test(options["address"])
        except mail.NotSent as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"{mail.place()} took a letter for {options['address']}.")
        if not mail.is_sent():
            self.stdout.write("Nobody got it: set XEROTIER_SMTP_URL to send mail.")
