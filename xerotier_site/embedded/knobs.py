"""What a person may turn on ``make run``: read before settings exist, so not through ``env``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xerotier_site.embedded.faults import CannotStart

PORTS = range(1, 65536)


@dataclass(frozen=True, slots=True)
class Knobs:
    """The knobs of ``make run``."""

    host: str = "127.0.0.1"
    port: int = 8000
    home: Path = Path("var")
    database_url: str = ""
    valkey_url: str = ""
    with_models: bool = True

    @property
    def public_url(self) -> str:
        """Return the address a person opens: passkeys refuse a bare 127.0.0.1."""
        is_local = self.host in ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - compared
        return f"http://{'localhost' if is_local else self.bracketed(self.host)}:{self.port}"

    @property
    def own_url(self) -> str:
        """Return the address at which this machine reaches the server."""
        own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{self.bracketed(own)}:{self.port}"

    @staticmethod
    def bracketed(host: str) -> str:
        """Return a host as URLs write it."""
        return f"[{host}]" if ":" in host else host


def read(environment: Mapping[str, str]) -> Knobs:
    """Read the knobs; raise ``CannotStart`` for a port that is none."""
    given = {name: value for name, value in environment.items() if value}
    port = given.get("PORT", "8000")
    if not port.isdecimal() or int(port) not in PORTS:
        raise CannotStart(f"PORT must be a number from 1 to 65535, not {port!r}.")
    return Knobs(
        host=given.get("HOST", "127.0.0.1"),
        port=int(port),
        home=Path(given.get("XEROTIER_HOME", "var")).absolute(),
        database_url=given.get("DATABASE_URL", ""),
        valkey_url=given.get("VALKEY_URL", ""),
        with_models=given.get("XEROTIER_MODEL", "1").lower() not in ("0", "false", "no", "off"),
    )
