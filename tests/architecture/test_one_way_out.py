"""Guard: the control plane has one module that calls addresses somebody typed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.tools.ratio import APPS

ROOT = Path(__file__).parents[2]
CLIENTS = ("http.client", "urllib.request", "urllib3", "requests", "httpx", "aiohttp", "websockets")
CONNECTOR = "common/outgoing/connector.py"
ITS_OWN = "xerotier_site/embedded/launch.py"
"""Waits for servers that the first run started itself."""


def test_addresses_are_called_by_the_connector_alone() -> None:
    files = [found for app in APPS for found in (ROOT / app).rglob("*.py")]
    calling = {
        str(found.relative_to(ROOT))
        for found in files
        if "tests" not in found.parts and clients_in(found.read_text(encoding="utf-8"))
    }

    assert calling == {CONNECTOR, ITS_OWN}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import http.client", {"http.client"}),
        ("from http import client", {"http.client"}),
        ("from urllib.request import urlopen", {"urllib.request"}),
        ("from urllib import request, parse", {"urllib.request"}),
        ("def late():\n    import httpx", {"httpx"}),
        ("import httpx._client", {"httpx"}),
        ("from http import HTTPStatus\nfrom urllib.parse import urlsplit", set()),
        ("from figures import requests", set()),
    ],
)
def test_client_is_seen_however_it_is_imported(source: str, found: set[str]) -> None:
    assert clients_in(source) == found


def clients_in(source: str) -> set[str]:
    """Return which clients a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{one.name}" for one in node.names}
    return {one for one in CLIENTS if any(f"{name}.".startswith(f"{one}.") for name in names)}
