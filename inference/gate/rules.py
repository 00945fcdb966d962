"""The gate: decide from a request's head and three tables whether it may go on.

Pure on purpose. It waits for nothing, reads no clock and touches no network, so every rule
is a row in a table of tests. The order is part of the contract: who you are, what you may
do, what you asked for. A caller without a good key learns nothing about which endpoints exist.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from functools import lru_cache

from inference.contracts.entries import Grant, Pool, Route, Worker
from inference.contracts.keys import is_key
from inference.contracts.names import OWN
from inference.contracts.operations import OPERATIONS
from inference.gate.address import Target
from inference.gate.passes import looks_like_pass
from inference.http.fields import NO_SLO, Slo
from inference.http.problems import Refused

INFERENCE = "inference"
OPTIONS = b"OPTIONS"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Fields = Mapping[bytes, bytes]

_BAD_KEY = "The API key is missing, malformed, unknown, expired or revoked."
_NO_ALLOWANCE = (
    "This tier's monthly allowance is one a person, and this project's owner has it in another "
    "project this month. Use that one, or move the endpoint to another tier."
)
_NO_WORKER = "No worker serves this endpoint right now."
_NO_OWN = (
    "No machine of this project serves this endpoint right now, and shared machines never serve "
    "its tier. Add a machine of your own, or move the endpoint to another tier."
)
_NEITHER = (
    "No machine of this project serves this endpoint right now, nor does one of the tier {} that "
    "it falls back to."
)
_NO_WORKER_THERE = (
    "No worker in region “{}” serves this endpoint right now. Name another region, or none."
)
_NO_OWN_THERE = (
    "No machine of this project in region “{}” serves this endpoint right now. Let one join there, "
    "or name another region or none."
)
_KEY_FIELDS = (b"api-key", b"x-api-key")
_SLO_FIELDS = (b"x-slo-ttft-ms", b"x-slo-tpot-ms")


def read_method(target: Target, method: bytes) -> None:
    """Refuse a method that this place does not know. Unknown places are not judged here."""
    if target.methods and method not in target.methods and method != OPTIONS:
        first = target.methods[0].decode()
        raise Refused("method_not_allowed", f"Use {first} here.", allow=allowed_here(target))


def allowed_here(target: Target) -> tuple[str, ...]:
    """Name the methods that a place takes. One that is unknown takes any, to say so."""
    return (*(known.decode() for known in target.methods), "OPTIONS")


def read_bearer(fields: Fields) -> bytes:
    """Return the API key or the pass of a request, checked for its form without a look-up.

    Clients of other clouds send a key as ``api-key`` or ``x-api-key``. A bearer wins over them.
    """
    authorization = fields.get(b"authorization")
    if authorization is None:
        token = _bare_key(fields)
    else:
        scheme, _, token = authorization.partition(b" ")
        token = token.strip() if scheme.lower() == b"bearer" else b""
    if not is_key(token.decode("latin-1")) and not looks_like_pass(token):
        raise Refused("invalid_api_key", _BAD_KEY)
    return token


def _bare_key(fields: Fields) -> bytes:
    named = {fields[name] for name in _KEY_FIELDS if name in fields}
    return named.pop() if len(named) == 1 else b""


def check_grant(grant: Grant | None, target: Target, address: str, now: float) -> Grant:
    """Return the grant if its holder may ask for this place from this address now."""
    if grant is None or grant.is_over(now):
        raise Refused("invalid_api_key", _BAD_KEY)
    if INFERENCE not in grant.scopes:
        raise Refused(
            "scope_insufficient", "The inference API needs a key with the scope 'inference'."
        )
    if grant.project != target.project:
        raise Refused("cross_project_access", "This key belongs to another project.")
    if grant.endpoint is not None and grant.endpoint != target.slug:
        raise Refused("endpoint_not_allowed", "This key is pinned to another endpoint.")
    if (grant.ip_allow or grant.ip_block) and not _is_welcome(grant, address):
        raise Refused("ip_not_allowed", "This key may not be used from this address.")
    return grant


def check_route(route: Route | None, target: Target) -> Route:
    """Return the route if there is such an endpoint, in a project that is open."""
    if route is None or route.gone:
        raise Refused("endpoint_not_found", f"There is no endpoint {target.slug!r} here.")
    if route.suspended:
        raise Refused(
            "project_suspended",
            f"This project was suspended by the operator of the platform: {route.suspended}",
        )
    return route


def check_operation(route: Route, target: Target) -> None:
    """Refuse what an endpoint of this task can't do, and everything while it is paused."""
    if route.paused:
        raise Refused("endpoint_inactive", "This endpoint is paused.")
    if route.terms.monthly_tokens == 0:
        raise Refused("quota_exceeded", _NO_ALLOWANCE)
    if route.task not in OPERATIONS.get(target.rest, ()):
        raise _unsupported(target)


def nobody(route: Route) -> str:
    """Say that no machine is there, and whose would be needed, and where."""
    is_own = bool(route.pools) and all(name.startswith(OWN) for name in route.pools)
    if is_own and route.fallback is not None:
        return _NEITHER.format(route.fallback.terms.tier)
    if route.region:
        return (_NO_OWN_THERE if is_own else _NO_WORKER_THERE).format(route.region)
    return _NO_OWN if is_own else _NO_WORKER


def find_workers(route: Route, pools: list[Pool | None], target: Target) -> list[list[Worker]]:
    """Return the workers that can serve this, one list a pool, best pool first.

    ``pools`` are those that the route names, in its order.
    """
    alive = [pool for pool in pools if pool is not None and not pool.gone and pool.workers]
    if not alive:
        raise Refused("endpoint_inactive", nobody(route))
    there = [workers_there(route, pool) for pool in alive]
    if not any(there):
        raise Refused("endpoint_inactive", nobody(route))
    found = [[w for w in workers if target.rest in w.operations] for workers in there]
    able = [workers for workers in found if workers]
    if not able:
        raise _unsupported(target)
    return able


def workers_there(route: Route, pool: Pool) -> tuple[Worker, ...]:
    """Return the workers of a pool that are where an endpoint wants them."""
    if not route.region:
        return pool.workers
    return tuple(worker for worker in pool.workers if worker.region == route.region)


def read_slo(fields: Fields) -> Slo:
    """Read the two hints to the router; refuse what is no positive number."""
    if _SLO_FIELDS[0] not in fields and _SLO_FIELDS[1] not in fields:
        return NO_SLO
    return Slo(*(_positive(fields, name) for name in _SLO_FIELDS))


def read_encoding(fields: Fields) -> None:
    """Refuse an encoded body: it would have to be unpacked to be spliced and measured."""
    if fields.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        message = "Send the body without Content-Encoding."
        raise Refused("invalid_request", message, param="Content-Encoding")


def _positive(fields: Fields, name: bytes) -> float | None:
    text = fields.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (0 < number < math.inf):
        field = "-".join(
            word.upper() if word != "ms" else "Ms" for word in name.decode().split("-")
        )
        raise Refused("invalid_slo_header", f"{field} must be a positive number.", param=field)
    return number


def _unsupported(target: Target) -> Refused:
    if not target.rest:
        text = "This is a base URL: an operation follows it, such as …/v1/chat/completions."
        return Refused("operation_not_supported", text)
    return Refused("operation_not_supported", f"This endpoint has no operation {target.rest!r}.")


def _is_welcome(grant: Grant, address: str) -> bool:
    try:
        caller = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    if any(caller in network for network in networks_of(grant.ip_block)):
        return False
    return not grant.ip_allow or any(caller in network for network in networks_of(grant.ip_allow))


@lru_cache(1024)
def networks_of(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Read addresses and CIDR ranges. Raises ``ValueError`` for anything else."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
