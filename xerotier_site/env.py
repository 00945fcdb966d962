"""Every setting that comes from the environment: its name, its type, its default, its sentence.

Nothing else in the code base reads the environment. A malformed value is remembered and
all mistakes are reported together, so that a start fails once and not five times.
A value may also come from a file: ``NAME_FILE=/run/secrets/name``.

``$XEROTIER_HOME/platform.env`` (written by ``make run``) fills in what the environment
leaves open, so that ``manage.py`` in a second terminal meets the same database.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from environs import Env, EnvError

_raw = Env()


class BadSettings(SystemExit):
    """The environment is wrong; the message lists every mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"The platform cannot start with these settings:\n{lines}")
        self.mistakes = mistakes


mistakes: list[str] = []


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


def number(name: str, default: int) -> int:
    """Read a whole number."""
    try:
        return _raw.int(name, default)
    except EnvError:
        mistakes.append(f"{name}: give a whole number, not {_raw.str(name)!r}")
        return default


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
            "pool": {"min_size": 0, "max_size": number("XEROTIER_DB_POOL", 10), "timeout": 10},
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
