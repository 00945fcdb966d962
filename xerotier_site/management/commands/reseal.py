"""``manage.py reseal``: seal every secret at rest with the newest key of the keyring."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts import services as accounts
from agents import backends
from agents import services as agents
from apikeys import passes
from common.vault import Resealing


class Command(BaseCommand):
    """After this an older key of ``XEROTIER_KEYRING`` may go, unless something stayed shut."""

    help = (
        "Seal second factors, providers' secrets, credentials of workers and backends, and signing"
        " keys with the first key of XEROTIER_KEYRING. Exit code 1 if one stays shut."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how many there were and what could not be opened."""
        work = Resealing()
        accounts.reseal_secrets(work=work)
        agents.reseal_credentials(work=work)
        backends.reseal_credentials(work=work)
        passes.reseal_signing_keys(work=work)
        self.stdout.write(f"{work.changed} sealed anew")
        for name in work.shut:
            self.stdout.write(f"no key opens: {name}")
        if work.shut:
            raise SystemExit(1)
        self.stdout.write("Older keys may be dropped once every process has the newest in front.")
