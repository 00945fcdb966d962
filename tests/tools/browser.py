"""Where Chromium is, and what a run without it leaves out."""

from __future__ import annotations

import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """Return the path of an installed Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def reason() -> str:
    """Say why the browser tests are left out; an empty text if they are not."""
    if chromium() is not None:
        return ""
    return f"No browser tests: none of {', '.join(NAMES)} is installed."


if __name__ == "__main__":
    sys.stdout.write(f"{reason()}\n" if reason() else "")
