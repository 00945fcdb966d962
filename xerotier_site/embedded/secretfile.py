"""The platform's own secrets: made once per data folder, and kept as long as its data."""

from __future__ import annotations

import secrets

from cryptography.fernet import Fernet

from xerotier_site.embedded import envfile
from xerotier_site.embedded.faults import CannotStart
from xerotier_site.embedded.home import Home

FILE = "secrets.env"
ABOUT = "Made once by make run. Without it the data beside it cannot be opened; keep it private."


def load_or_make(home: Home) -> dict[str, str]:
    """Return the secrets of this folder; they are made when it is new."""
    path = home.file(FILE)
    known = envfile.read(path)
    if not known and (home.data / "postgres" / "18").is_dir():
        raise CannotStart(
            f"{path} is missing, and the database in {home.data} cannot be opened without it."
        )
    # A folder from before may lack some: what opens its data is never made anew.
    complete = {**_make(), **known}
    if complete != known:
        envfile.write(path, complete, about=ABOUT)
    return complete


def _make() -> dict[str, str]:
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "VALKEY_PASSWORD": secrets.token_hex(24),
        "VALKEY_PLANE": secrets.token_hex(24),
        "VALKEY_CONTROL": secrets.token_hex(24),
        "ENGINE_KEY": secrets.token_hex(24),
        "XEROTIER_SECRET_KEY": secrets.token_urlsafe(48),
        "XEROTIER_PEPPERS": f"p1:{secrets.token_hex(32)}",
        "XEROTIER_KEYRING": Fernet.generate_key().decode(),
    }
