"""What the control plane tells the data plane: entries that lie in Valkey, and their JSON.

A ``Grant`` (what one key may do), a ``Route`` (what one endpoint is) and a ``Pool`` (which
workers serve it) lie under the names of ``names``, each with the ``version`` of the row it was
made from; a higher version always wins, and a revoked or deleted thing is a *tombstone*
(``gone``), never a missing entry.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from inference.contracts.decisions import Decision
from inference.contracts.events import UsageEvent
from inference.contracts.key_limits import KeyLimits
from inference.contracts.policies import BadPolicy, Policy


@dataclass(frozen=True)
class Grant(KeyLimits):
    """What one key may do, and its own limits. Times are Unix seconds; ``secret_id`` 0 is no key's.

    ``behind`` is of a pass: the digest of the key that asked for it, and holds it to its rules.
    """

    version: int
    key_id: str
    project: str
    scopes: tuple[str, ...]
    expires_at: float | None = None
    endpoint: str | None = None
    ip_allow: tuple[str, ...] = ()
    ip_block: tuple[str, ...] = ()
    gone: bool = False
    secret_id: int = 0
    behind: str = ""

    def is_over(self, now: float) -> bool:
        """Say whether it opens nothing any more; its last instant is excluded."""
        return self.gone or (self.expires_at is not None and self.expires_at <= now)


@dataclass(frozen=True)
class Terms:
    """Limits, waits and price of a service tier, as they are in force now.

    ``None`` is *unlimited*; a monthly allowance of 0 refuses everything. Prices are integer
    micro-units of the currency per million tokens.
    """

    tier: str
    version: int
    requests_per_min: int | None
    tokens_per_min: int | None
    concurrent: int
    request_timeout_s: float
    idle_timeout_s: float
    priority: int
    price_per_million: int = 0
    cached_percent: int = 25
    monthly_tokens: int | None = None
    least_hold: int = 0
    """Micro-units a request holds though it costs nothing itself: where machines are paid by
    the hour, a balance that is used up refuses all the same."""


@dataclass(frozen=True)
class Route:
    """What one endpoint is: its model, its terms, and the pools that serve it, best first.

    ``origins``: pages that may read its answers (``inference.origins``).
    """

    version: int
    project: str
    endpoint: str
    endpoint_id: str
    model: str
    task: str
    terms: Terms
    pools: tuple[str, ...]
    context_length: int | None = None
    capabilities: tuple[str, ...] = ()
    created_at: int = 0
    defaults: dict[str, Any] = field(default_factory=dict)
    paused: bool = False
    gone: bool = False
    suspended: str = ""
    """Why the platform's operator has shut the whole project; empty where it is open."""
    origins: tuple[str, ...] = ()
    region: str = ""
    """Where its machines have to be; empty: anywhere."""
    policy: Policy | None = None
    """By what its workers are chosen; none: as is usual (``policies.BALANCED``)."""
    fallback: Route | None = None
    """The same endpoint on machines of the platform, for when those of its pools can't: other
    in terms and pools alone. What it serves is asked, limited and billed by those terms."""


@dataclass(frozen=True)
class Worker:
    """One place that serves a model. Its address is a URL, a tenant's URL, or an agent.

    ``url`` is the base of its OpenAI surface (``http://127.0.0.1:9000/v1``), as an operator says;
    ``tenant_url`` is the same as a project says it, and is called at public addresses alone;
    ``agent`` is the id of the machine whose own link leads there. With either of these ``url`` is
    empty: a gateway that does not know them finds no address, and asks another worker.
    ``served_name`` is what it calls the model itself, empty where it takes any name;
    ``credential`` is what it wants as bearer, sealed with the platform's keyring; ``accelerator``
    is what its machine computes with, in the words of its agent: what is learned of one says what
    to expect of another.
    """

    worker_id: str
    url: str
    model: str
    operations: tuple[str, ...]
    credential: str = ""
    slots: int | None = None
    served_name: str = ""
    agent: str = ""
    tenant_url: str = ""
    region: str = ""
    accelerator: str = ""


@dataclass(frozen=True)
class Pool:
    """The workers that serve one model, shared by everyone or owned by one project."""

    version: int
    name: str
    workers: tuple[Worker, ...]
    gone: bool = False


# ── JSON ───────────────────────────────────────────────────────────────────────────────

T = TypeVar("T", Grant, Route, Pool, UsageEvent)

_encode = json.JSONEncoder(separators=(",", ":")).encode
_OTHER = ("terms", "pools")
"""What a fallback is other in: all of it that is written."""


def dump(thing: Grant | Route | Pool | UsageEvent) -> str:
    """Write a contract as JSON."""
    values = asdict(thing)
    if values.get("fallback") is not None:
        values["fallback"] = {name: values["fallback"][name] for name in _OTHER}
    return _encode(values)


def load(kind: type[T], text: str | bytes) -> T:
    """Read a contract back.

    Unknown fields are dropped, so that an older gateway can read what a newer control
    plane wrote. Raises ``ValueError`` or ``TypeError`` if the text is no such contract.
    """
    raw: Any = json.loads(text)
    if not isinstance(raw, dict):
        raise TypeError(f"a {kind.__name__} is an object, not a {type(raw).__name__}")
    known = {f.name for f in fields(kind)}
    values = {name: _frozen(value) for name, value in raw.items() if name in known}
    if kind is Route:
        values["terms"] = _nested(Terms, raw["terms"])
        values["defaults"] = raw.get("defaults", {})
        values["policy"] = _policy(raw.get("policy"))
        values["fallback"] = _fallback(values, raw.get("fallback"))
    if kind is Pool:
        values["workers"] = tuple(_nested(Worker, worker) for worker in raw["workers"])
    if kind is UsageEvent:
        decision = raw.get("decision")
        values["decision"] = _nested(Decision, decision) if isinstance(decision, dict) else None
    made: T = kind(**values)
    return made


def _fallback(values: dict[str, Any], raw: Any) -> Route | None:
    if not isinstance(raw, dict):
        return None
    other = {"terms": _nested(Terms, raw["terms"]), "pools": tuple(raw["pools"])}
    return Route(**(values | other | {"fallback": None}))


def _policy(raw: Any) -> Policy | None:
    """Read a policy; none where it is none that this gateway can follow."""
    if not isinstance(raw, dict):
        return None
    try:
        made: Policy = _nested(Policy, raw)
    except (BadPolicy, TypeError):
        return None
    return made


def _nested(kind: type[Any], raw: dict[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    return kind(**{name: _frozen(value) for name, value in raw.items() if name in known})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
