"""Ask ten million rows of usage (``python -m bench.usage_rows``): whether pages stay fast.

Fills a PostgreSQL of its own with a year of records of twenty projects, half of them of one,
and prints how PostgreSQL answers what the usage pages and the API ask for that one.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import django

from xerotier_site.embedded import databases
from xerotier_site.embedded.process import lesser_account

ROWS = 10_000_000
BYTES_EACH = 1_500
"""Disk a row may take with its indexes, the sort that builds them, and the log."""


def main() -> int:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.usage_rows")
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with _postgres(rows) as url:
        environment = {"DATABASE_URL": url, "XEROTIER_ENV": "test"}
        environment |= {"DJANGO_SETTINGS_MODULE": "xerotier_site.settings"}
        os.environ.update(environment)  # noqa: TID251 - written, for the settings to read
        django.setup()
        # Models can be imported only now.
        asked = importlib.import_module("bench.usage_questions")
        began = time.monotonic()
        project = asked.fill(rows)
        print(f"{rows:,} rows after {time.monotonic() - began:.0f} s\n")
        for name, ask in asked.questions(project).items():
            asked.show(name, ask)
    return 0


@contextlib.contextmanager
def _postgres(rows: int) -> Iterator[str]:
    account = lesser_account()
    folder = databases.socket_folder(account)
    try:
        if shutil.disk_usage(folder).free < rows * BYTES_EACH:
            sys.exit(f"{rows:,} rows need {rows * BYTES_EACH / 1e9:.0f} GB of disk at {folder}.")
        with (folder / "log").open("wb") as log:
            premises = databases.Premises(
                Path(folder) / "data", folder, account, durable=False, output=log.fileno()
            )
            server = databases.start_postgres(premises, secrets.token_hex(16))
            try:
                yield server.url
            finally:
                server.stop()
    finally:
        databases.remove(folder)


if __name__ == "__main__":
    sys.exit(main())
