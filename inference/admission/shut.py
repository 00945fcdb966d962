"""Refusals that are known to last: who was told to wait is told so again without being heard.

A bucket of requests that is empty says when the next one will be let in, and until then it lets
in none. So whoever sends on meanwhile costs neither the reading of a body nor a call to Valkey.
"""

from __future__ import annotations

from typing import Final

from inference.admission.ports import Verdict
from inference.contracts.entries import Grant, Route

LASTING: Final = frozenset((b"requests", b"quota"))
"""Refusals that have nothing to do with what was asked."""

LASTS_S: Final = 1.0
"""How long one is believed at most: what was held may be given back, a clock may be set."""
KEPT_MAX: Final = 4096

Name = tuple[str, int, str, int, str]
"""A key and an endpoint, each as of one version, on a tier: other limits are another name."""

Known = tuple[float, float, Verdict]


class Shut:
    """Who has to wait, and until when (seconds of any steady clock)."""

    def __init__(self) -> None:
        self._known: dict[Name, Known] = {}

    def note(self, word: bytes, grant: Grant, route: Route, verdict: Verdict, now: float) -> None:
        """Remember a refusal, if it is of the kind that lasts."""
        wait_s = verdict.retry_after_s
        if word not in LASTING or wait_s is None:
            return
        if len(self._known) >= KEPT_MAX:
            self._known.clear()
        over_at = now + min(wait_s, LASTS_S)
        self._known[_name(grant, route)] = (over_at, now + wait_s, verdict)

    def of(self, grant: Grant, route: Route, now: float) -> Verdict | None:
        """Return what was said to this key here, if it still holds."""
        known = self._known.get(_name(grant, route)) if self._known else None
        if known is None:
            return None
        over_at, opens_at, said = known
        if now >= over_at:
            del self._known[_name(grant, route)]
            return None
        return Verdict(False, said.code, said.message, opens_at - now, said.limits)


def _name(grant: Grant, route: Route) -> Name:
    return grant.key_id, grant.version, route.endpoint_id, route.version, route.terms.tier
