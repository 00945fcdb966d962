"""See and change what tiers cost and allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents import selectors as agents
from catalog import selectors, services, terms
from catalog.models import ServiceTier, TierTerms
from common import clock
from common.problems import Problem
from endpoints import selectors as endpoints


class Command(BaseCommand):
    """``manage.py tiers list | show TIER | set TIER --price 0.60 [--from MOMENT] [--dry-run]``."""

    help = "List the tiers, show one, set its terms, or withdraw terms that have not begun."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="list the tiers")
        show = verbs.add_parser("show", help="show a tier's numbers, and the terms to come")
        change = verbs.add_parser("set", help="set new terms; what is not said stays")
        for number in terms.NUMBERS:
            hint = f"{number.label} {number.unit}".strip()
            hint += ", or unlimited" if number.may_be_unlimited else ""
            option = f"--{number.name.replace('_', '-')}"
            change.add_argument(option, metavar="N", help=hint.replace("%", "%%"))
        change.add_argument("--from", dest="begin", help="for example 2026-12-01T00:00Z")
        change.add_argument("--dry-run", action="store_true", help="only say what would change")
        withdraw = verbs.add_parser("withdraw", help="take back terms that have not begun")
        withdraw.add_argument("--number", type=int, required=True)
        for verb in (show, change, withdraw):
            verb.add_argument("tier", help="its slug, such as free")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "show": self._show,
            "set": self._set,
            "withdraw": self._withdraw,
        }
        try:
            verbs[verb](options)
        except Problem as problem:
            raise CommandError(problem.message) from problem

    def _list(self, _options: dict[str, Any]) -> None:
        for tier in selectors.all_tiers():
            rows = agents.carrying(tier.slug, is_self_hosted=tier.is_self_hosted)
            price = terms.BY_NAME["price_per_million"].show(_now(tier).price_per_million)
            offered = "offered" if tier.is_offered else "hidden"
            machines = f"{len(agents.alive(rows))} live machines"
            self.stdout.write(f"{tier.slug:22}  {offered:7}  {machines:16}  {price}")

    def _show(self, options: dict[str, Any]) -> None:
        tier = _tier(options["tier"])
        for number in terms.NUMBERS:
            shown = number.show(getattr(_now(tier), number.name))
            self.stdout.write(f"{number.label:28} {shown}")
        for row in selectors.terms_to_come(tier, clock.now()):
            self.stdout.write(f"Terms {row.number} begin {row.effective_from:%Y-%m-%d %H:%M} UTC.")

    def _set(self, options: dict[str, Any]) -> None:
        tier, begin = _tier(options["tier"]), _moment(options["begin"])
        said = {name: options[name] for name in terms.BY_NAME if options[name] is not None}
        new = terms.read_all(said)
        now = clock.now()
        before = terms.of(selectors.terms_at(tier, max(begin or now, now)))
        for change in terms.changes(before, before | new):
            self.stdout.write(f"{change.label}: {change.before} → {change.after}")
        count, projects = endpoints.reach_of(tier)
        when = "now" if begin is None else f"{begin:%Y-%m-%d %H:%M} UTC"
        self.stdout.write(f"From {when}, for {count} endpoints of {projects} projects.")
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")
            return
        row = services.supersede_terms(tier=tier, changes=new, effective_from=begin)
        self.stdout.write(f"These are terms {row.number} of {tier.slug}.")

    def _withdraw(self, options: dict[str, Any]) -> None:
        tier = _tier(options["tier"])
        row = tier.terms.filter(number=options["number"]).first()
        if row is None:
            raise CommandError(f"{tier.slug} has no terms {options['number']}.")
        services.withdraw_terms(row=row)
        self.stdout.write(f"Terms {row.number} of {tier.slug} are withdrawn.")


def _now(tier: ServiceTier) -> TierTerms:
    return selectors.terms_at(tier, clock.now())


def _tier(slug: str) -> ServiceTier:
    tier = selectors.tier_named(slug)
    if tier is None:
        known = ", ".join(one.slug for one in selectors.all_tiers())
        raise CommandError(f"There is no tier {slug!r}. There are: {known}.")
    return tier


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise CommandError(f"{text!r} is no moment, such as 2026-12-01T00:00Z.") from fault
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
