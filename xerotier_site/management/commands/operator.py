"""Make an operator."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from accounts.models import User
from audit import services as audit
from common.actor import SYSTEM


class Command(BaseCommand):
    """``manage.py operator ADDRESS``: the first one; others are made in the console."""

    help = "Make an operator with a new password, which is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe who."""
        parser.add_argument("address", help="e-mail address to sign in with")

    def handle(self, *_args: Any, address: str, **_options: Any) -> None:
        """Make the person, proven and with all powers, and show the password."""
        try:
            validate_email(address)
        except ValidationError as fault:
            raise CommandError(f"{address!r} is no e-mail address.") from fault
        if User.objects.filter(email__iexact=address).exists():
            raise CommandError(f"{address} is registered: make them an operator in the console.")
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            person = User.objects.create_superuser(address, password, name="Operator")
            EmailAddress.objects.create(user=person, email=address, verified=True, primary=True)
            audit.record(
                by=SYSTEM, action="person.made_operator", subject=("person", str(person.pk))
            )
        self.stdout.write(f"Sign in:   {address}")
        self.stdout.write(f"Password:  {password}   (shown this once)")
