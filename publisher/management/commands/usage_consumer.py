"""Run the usage consumer until told to stop."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from django.core.management.base import BaseCommand

from publisher.consumer import Consumer


class Command(BaseCommand):
    """``manage.py usage_consumer``: usage events from Valkey into PostgreSQL."""

    help = "Move usage events from Valkey's streams into PostgreSQL, until SIGTERM."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Consume; finish the batch at hand on SIGTERM or Ctrl-C."""
        consumer = Consumer(f"{socket.gethostname()}-{os.getpid()}")
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: consumer.stop())
        consumer.run()
