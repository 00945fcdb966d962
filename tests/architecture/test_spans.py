"""Guard: what a reader has to hold in mind. A class with its bases, a module with its imports.

Lines alone reward cutting one class into halves of which each inherits from the other, and
modules that do nothing but know everybody. What is over a budget is argued for here by name; the
lists may only shrink.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    *("accounts", "agents", "api", "apikeys", "audit", "catalog", "common", "dashboard"),
    *(
        "endpoints",
        "enrolment",
        "inference",
        "ledger",
        "projects",
        "publisher",
        "usage",
        "xerotier_site",
        "xim",
    ),
}
LIES_IN = {"xim": ROOT / "xim" / "src"}
"""Where a package lies that is installed by itself."""
ELSEWHERE = {"tests", "migrations"}
METHODS_MAX = 12
MANY_METHODS = {
    "inference.exchange.exchange.Exchange": 20,  # Called by edges, wheel, recheck and its parts.
    "inference.edges.protocol.PlatformProtocol": 17,  # What asyncio and httptools call.
    "inference.body.streamed_splice.StreamedSplice": 13,
    "inference.edges.fast_turn.FastTurn": 13,  # A turn to its connection, a caller to the core.
    "inference.fleet.hop.call.HopCall": 14,  # a call to one side, a socket to the other
    "inference.fleet.hop.transport.HopTransport": 13,  # asked by attempts, told by other gateways
    "inference.fleet.tunnel.links.Links": 14,  # asked by the transport, told by links
    "inference.fleet.tunnel.stream.Stream": 16,  # a call to one side, a stream to the other
}
IMPORTS_MAX = 12
MANY_IMPORTS = {
    "agents.backends": 14,
    "api.authentication": 13,
    "apikeys.services": 15,
    "dashboard.endpoints.new": 16,
    "dashboard.endpoints.pages": 22,
    "dashboard.endpoints.tier": 14,
    "dashboard.keys.key": 15,
    "dashboard.keys.pages": 18,
    "dashboard.keys.rotation": 13,
    "dashboard.machines.backend_acts": 14,
    "dashboard.machines.join": 16,
    "dashboard.machines.new_backend": 13,
    "dashboard.machines.pages": 16,
    "dashboard.money.budgets": 14,
    "dashboard.people.invitations": 16,
    "dashboard.people.seats": 16,
    "dashboard.project.new": 14,
    "dashboard.project.overview": 15,
    "dashboard.urls": 30,
    "dashboard.usage.pages": 13,
    "endpoints.api": 14,
    "endpoints.services": 15,
    "inference.admission.limiter": 14,
    "inference.exchange.attempts": 14,
    "inference.exchange.exchange": 20,
    "inference.exchange.look_up": 13,
    "inference.exchange.relay": 19,
    "inference.fleet.tunnel.link": 13,
    "inference.gateway.agents": 15,
    "inference.gateway.choosing": 15,
    "inference.gateway.gateway": 15,
    "projects.invitations": 15,
    "projects.services": 14,
    "publisher.services": 13,
    "usage.api": 16,
    "usage.budgets": 13,
    "usage.live": 14,
    "xerotier_site.admin_home": 16,
    "xerotier_site.embedded.launch": 13,
    "xerotier_site.first_run": 14,
    "xerotier_site.own_machine": 13,
    "xerotier_site.tenants": 17,
}
"""Today's numbers. Those that put things together (``gateway``, ``urls``) will always be here."""


@cache
def trees() -> dict[str, ast.Module]:
    """Return every module of ours by its name."""
    found = {}
    for package in PACKAGES:
        root = LIES_IN.get(package, ROOT)
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            if not ELSEWHERE & set(parts):
                name = ".".join(parts).removesuffix(".__init__")
                found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> set[str]:
    """Return the modules of ours that a module imports, for types too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & trees().keys()) or {node.module}
    return {name for name in found if name.partition(".")[0] in PACKAGES}


@cache
def classes() -> dict[str, ast.ClassDef]:
    """Return every class of ours by module and name."""
    return {
        f"{name}.{node.name}": node
        for name, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def bases_of(place: str) -> Iterator[str]:
    """Return the classes of ours that a class inherits from."""
    module = place.rpartition(".")[0]
    aliases = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(trees()[module])
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for base in classes()[place].bases:
        name = ast.unparse(base)
        known = aliases.get(name, f"{module}.{name}")
        if known in classes():
            yield known


def methods_of(place: str) -> set[str]:
    """Return the public methods of a class and of its bases, each name once."""
    own = {
        node.name
        for node in classes()[place].body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    }
    return own.union(*(methods_of(base) for base in bases_of(place)))


def test_no_class_has_more_methods_than_can_be_kept_in_mind() -> None:
    counts = {place: len(methods_of(place)) for place in classes()}

    over = {place: count for place, count in counts.items() if count > METHODS_MAX}
    assert over == MANY_METHODS


def test_no_module_knows_more_of_ours_than_it_did() -> None:
    counts = {name: len(imported(tree)) for name, tree in trees().items()}

    over = {name: count for name, count in counts.items() if count > IMPORTS_MAX}
    assert over == MANY_IMPORTS
