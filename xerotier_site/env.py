"""Every setting that comes from the environment: its name, its type, its default, its sentence.

Nothing else in the code base reads the environment. A malformed value is remembered and
all mistakes are reported together, so that a start fails once and not five times.
A value may also come from a file: ``NAME_FILE=/run/secrets/name``.

``$XEROTIER_HOME/platform.env`` (written by ``make run``) fills in what the environment
leaves open, so that ``manage.py`` in a second terminal meets the same database.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from cryptography.fernet import Fernet
from environs import Env, EnvError

from common.currencies import exponent_of
from xerotier_site import smtp
from xerotier_site.known_settings import NAMES, NEIGHBOURS, OF_XIM

_raw = Env()


class BadSettings(SystemExit):
    """The environment is wrong; the message lists every mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))  # Both planes read some of them.
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"The platform cannot start with these settings:\n{lines}")


mistakes: list[str] = []

ENVIRONMENTS = ("production", "development", "test")
VALKEYS = ("redis", "rediss", "unix")
"""How the address of a Valkey server may begin."""


def _load_platform_file() -> None:
    home = Path(_raw.str("XEROTIER_HOME", "var"))
    for candidate in (home / "platform.env",):
        if candidate.is_file():
            _raw.read_env(str(candidate), recurse=False, override=False)


def text(name: str, default: str) -> str:
    """Read a string; ``NAME_FILE`` names a file that holds it instead."""
    try:
        file = _raw.str(f"{name}_FILE", "")
        if file:
            return Path(file).read_text(encoding="utf-8").strip()
        return _raw.str(name, default)
    except (EnvError, OSError) as fault:
        mistakes.append(f"{name}: {fault}")
        return default


def flag(name: str, *, default: bool) -> bool:
    """Read a yes or no."""
    try:
        return _raw.bool(name, default)
    except EnvError:
        mistakes.append(f"{name}: give 1 or 0, not {_raw.str(name)!r}")
        return default


def currency(name: str, default: str) -> str:
    """Read a currency's ISO code."""
    found = text(name, default)
    try:
        exponent_of(found)
    except ValueError as fault:
        mistakes.append(f"{name}: {fault}")
        return default
    return found


def number(name: str, default: int, *, least: int = 0) -> int:
    """Read a whole number that is not less than ``least``."""
    try:
        found: int = _raw.int(name, default)
    except EnvError:
        mistakes.append(f"{name}: give a whole number, not {_raw.str(name)!r}")
        return default
    if found < least:
        mistakes.append(f"{name}: give {least} or more, not {found}")
        return default
    return found


def choice(name: str, allowed: Sequence[str], default: str) -> str:
    """Read one of a few words. Any other is a mistake, never the default: it might mean less."""
    said = text(name, default)
    if said not in allowed:
        mistakes.append(f"{name}: give {_or(allowed)}, not {said!r}")
    return said


def networks(name: str, default: Sequence[str] = ()) -> list[str]:
    """Read a list of addresses and networks (``10.0.0.0/8``)."""
    found = names(name, list(default))
    for one in found:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            mistakes.append(f"{name}: give addresses or networks like 10.0.0.0/8, not {one!r}")
    return [one for one in found if _is_network(one)]


def url(name: str, schemes: Sequence[str], default: str) -> str:
    """Read an address of one of these schemes. What is wrong is told without its password."""
    said = text(name, default)
    scheme = said.partition(":")[0]
    try:
        urlsplit(said).port  # noqa: B018 - reading it is what finds the mistake
    except ValueError:
        mistakes.append(f"{name}: its port is not a number from 0 to 65535")
        return default
    if scheme not in schemes or "://" not in said:
        mistakes.append(f"{name}: begin with {_or([f'{one}://' for one in schemes])}")
        return default
    return said


def keyring(name: str) -> list[str]:
    """Read Fernet keys, the first of which seals."""
    found = names(name, [])
    for place, key in enumerate(found, 1):
        try:
            Fernet(key)
        except ValueError:
            mistakes.append(f"{name}: key {place} is no Fernet key (32 bytes in URL-safe base64)")
            return []
    return found


def mail_server(name: str) -> smtp.Server | None:
    """Read the mail server's URL; none is given where mail goes to the terminal."""
    said = text(name, "")
    try:
        return smtp.read(said) if said else None
    except smtp.Malformed as fault:
        mistakes.append(f"{name}: {fault}")
        return None


def unknown() -> list[str]:
    """Return a sentence for each ``XEROTIER_…`` in the environment that is no setting."""
    found = []
    for name in sorted(os.environ):  # noqa: TID251 - the one place that reads it
        plain = name.removesuffix("_FILE")
        is_ours = name.startswith("XEROTIER_") and not name.startswith(OF_XIM)
        if is_ours and not {name, plain} & (NAMES | NEIGHBOURS):
            close = difflib.get_close_matches(plain, NAMES, n=1, cutoff=0.75)
            hint = f"did you mean {close[0]}?" if close else "see docs/settings.md"
            found.append(f"{name}: there is no such setting; {hint}")
    return found


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _is_network(said: str) -> bool:
    try:
        ipaddress.ip_network(said, strict=False)
    except ValueError:
        return False
    return True


def names(name: str, default: list[str]) -> list[str]:
    """Read a comma-separated list."""
    return [item.strip() for item in text(name, ",".join(default)).split(",") if item.strip()]


def database(url: str) -> dict[str, object]:
    """Turn a PostgreSQL URL into Django's settings, with psycopg's own pool.

    The pool replaces ``CONN_MAX_AGE``, which leaks connections under ASGI.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(query.pop("port", parts.port or "")),
        "OPTIONS": {
            "pool": {
                "min_size": 0,
                "max_size": number("XEROTIER_DB_POOL", 10, least=1),
                "timeout": 10,
            },
            **query,
        },
    }


def valkey(url: str, *, db: int) -> str:
    """Return the URL of one numbered database of a Valkey server.

    Takes ``redis://…``, ``rediss://…`` and ``unix://:PASSWORD@/path/to.sock``.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        # Spelt out: without a password urlunsplit would leave out the two slashes.
        return f"unix://{parts.netloc}{parts.path}?db={db}"
    return urlunsplit(parts._replace(path=f"/{db}"))


def broker(url: str, *, db: int) -> str:
    """Return the same in Celery's words, which spells unix sockets differently."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={db}"
    return valkey(url, db=db)


_load_platform_file()
mistakes += unknown()
