"""``manage.py pepper status``: which live keys still need which pepper."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apikeys import secrets, selectors
from common import clock


class Command(BaseCommand):
    """Say when an older pepper may go: when no live key uses it."""

    help = "List live API keys by pepper. Exit code 1 if a live key's pepper is not in force."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one thing there is to ask."""
        parser.add_argument("what", choices=["status"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the peppers, then the keys of all but the newest."""
        holders: dict[str, list[str]] = {pepper.name: [] for pepper in secrets.peppers()}
        for secret in selectors.live_secrets_by_pepper(moment=clock.now()):
            line = f"{secret.key.project.slug}  {secret.key.public_id}  {secret.hint}"
            holders.setdefault(secret.pepper, []).append(line)
        newest, *others = holders
        self.stdout.write(f"{newest}: newest, {len(holders[newest])} live")
        for name in others:
            self._tell(name, holders[name])
        lost = set(others) - {pepper.name for pepper in secrets.peppers()}
        if any(holders[name] for name in lost):
            raise SystemExit(1)

    def _tell(self, name: str, lines: list[str]) -> None:
        is_in_force = name in {pepper.name for pepper in secrets.peppers()}
        state = "in force" if is_in_force else "NOT IN FORCE: these keys open nothing"
        advice = "rotate these keys, then drop it" if lines else "may be dropped"
        self.stdout.write(f"{name}: {state}, {len(lines)} live; {advice}")
        for line in lines:
            self.stdout.write(f"  {line}")
