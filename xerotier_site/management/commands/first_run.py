"""Bring a platform up to date at its start, and furnish it at its first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from xerotier_site import first_run


class Command(BaseCommand):
    """``manage.py first_run``: what ``make run`` asks for before it starts the server."""

    help = "Migrate, load the defaults, place the built-in workers; on an empty platform, open it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what the supervisor says."""
        parser.add_argument("--url", required=True, help="address that people open")
        parser.add_argument("--quickstart", type=Path, required=True, help="file for the keys")
        parser.add_argument("--engine-key-file", type=Path, required=True)
        parser.add_argument("--chat-model", default="", metavar="URL")
        parser.add_argument("--embedding-model", default="", metavar="URL")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it; the last line says whether anything was created."""
        first_run.bring_up_to_date()
        key_file: Path = options["engine_key_file"]
        key = key_file.read_text().strip() if key_file.is_file() else ""
        first_run.place_worker(first_run.CHAT, options["chat_model"], key)
        first_run.place_worker(first_run.EMBED, options["embedding_model"], key)
        is_new = first_run.furnish(options["url"], options["quickstart"])
        first_run.publish()
        self.stdout.write("first run: created" if is_new else "first run: nothing to do")
