"""What both planes must agree on about agents: their entry, their tokens, what a link says of one.

The control plane enrols an agent, signs its token and publishes its entry; the gateway that its
link arrives at verifies the one and heeds the other, and writes what it hears of the machine.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

AUDIENCE: Final = "xerotier-agent"
"""What ``aud`` of an agent's token says."""
TOKEN_S: Final = 3600
"""How long such a token lives; one that claims more is refused, whoever signed it."""
SKEW_S: Final = 60
"""How far the clocks of the planes may be apart. Agents go by the gateway's."""

PENDING: Final = "pending"
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
DRAINING: Final = "draining"
"""It is to take nothing new, finish what runs, and end. Told until it has gone."""
STATES: Final = (PENDING, ACTIVE, SUSPENDED, DRAINING)

READY: Final = "ready"
SLEEPING: Final = "sleeping"
"""What an agent says of a model that it would serve; one that sleeps is woken by a request."""

LINK_S: Final = 10
"""How long what a gateway wrote of a link is believed."""


@dataclass(frozen=True)
class AgentEntry:
    """One agent: whose it is, and whether it may work.

    ``project`` is empty where it serves everyone. ``gone``: revoked or retired, for ever. A
    state that a gateway does not know yet gets no work.
    """

    version: int
    agent: str
    project: str
    state: str
    gone: bool = False
    models: tuple[str, ...] = ()
    """What it is asked to serve, by the names it has for it; empty: whatever it has."""


@dataclass(frozen=True)
class LinkReport:
    """What a gateway knows of one link: since when, last seen when, what runs over it.

    ``state`` is what the agent said last, without its ``facts``, which change seldom. ``hop`` is
    where other gateways ask this one for agents that they have no link to, empty where they
    can't; ``takes``: whether a request may begin on the link now.
    """

    gateway: str
    since: float
    seen: float
    in_flight: int
    state: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] | None = None
    peer: str = ""
    hop: str = ""
    takes: bool = True


_encode = json.JSONEncoder(separators=(",", ":")).encode


def dump(thing: AgentEntry | LinkReport) -> str:
    """Write it as JSON."""
    return _encode(asdict(thing))


def load(text: str | bytes) -> AgentEntry:
    """Read an agent's entry, dropping what is not known yet.

    Raises ``ValueError`` or ``TypeError`` if the text is no such entry.
    """
    values = _values(AgentEntry, text)
    values["models"] = tuple(values.get("models", ()))
    return AgentEntry(**values)


def load_report(text: str | bytes) -> LinkReport:
    """Read what a gateway wrote of a link. Raises as ``load`` does."""
    return LinkReport(**_values(LinkReport, text))


def _values(kind: type[Any], text: str | bytes) -> dict[str, Any]:
    raw: Any = json.loads(text)
    if not isinstance(raw, dict):
        raise TypeError(f"a {kind.__name__} is an object, not a {type(raw).__name__}")
    known = {f.name for f in fields(kind)}
    return {name: value for name, value in raw.items() if name in known}
