"""Tokens with which programs of an operator use the operator API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import tokens
from accounts.models import OperatorToken, User
from common import clock
from common.problems import Problem

LASTS_DAYS = 30


class Command(BaseCommand):
    """``manage.py operator_token make ADDRESS --name WHAT [--days N] | list | revoke ID``."""

    help = "Make a token for the operator API, which is shown once; list tokens, or revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        make = verbs.add_parser("make", help="make a token")
        make.add_argument("address", help="an operator's e-mail address")
        make.add_argument("--name", required=True, help="what it is for, such as deploy")
        make.add_argument("--days", type=int, default=LASTS_DAYS, help="how long it lasts, 1 to 90")
        verbs.add_parser("list", help="list the tokens, ended ones too")
        revoke = verbs.add_parser("revoke", help="end a token at once")
        revoke.add_argument("id", help="opt_…")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        if verb == "list":
            self._list()
        elif verb == "revoke":
            self._revoke(options["id"])
        else:
            self._make(options["address"], options["name"], options["days"])

    def _make(self, address: str, name: str, days: int) -> None:
        user = User.objects.filter(email__iexact=address).first()
        if user is None:
            raise CommandError(f"Nobody is registered as {address!r}.")
        try:
            token, plain = tokens.make_token(user=user, name=name, lasts=timedelta(days=days))
        except Problem as problem:
            raise CommandError(problem.message) from problem
        self.stdout.write(plain)
        self.stderr.write(f"{token.public_id}, until {token.expires_at:%Y-%m-%d %H:%M} UTC.")
        self.stderr.write("The token is shown this once: keep it like a password.")

    def _list(self) -> None:
        now = clock.now()
        for token in OperatorToken.objects.select_related("user"):
            state = "live" if token.is_live(now) else "ended"
            until = f"until {token.expires_at:%Y-%m-%d}"
            used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never used"
            self.stdout.write(
                f"{token.public_id}  {state:5}  {until}  {used:16}  {token.user}  {token.name}"
            )

    def _revoke(self, public_id: str) -> None:
        token = tokens.token_named(public_id)
        if token is None:
            raise CommandError(f"There is no token {public_id!r}.")
        if not tokens.revoke_token(token=token):
            raise CommandError(f"{public_id} was revoked before.")
        self.stdout.write(f"{public_id} opens nothing any more.")
