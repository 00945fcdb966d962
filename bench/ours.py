"""Ours, stood up for a benchmark: a private Valkey that knows one key, one endpoint, two workers.

The tier has every limit, each at 10⁹, so that every check is made and none refuses.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis
from cryptography.fernet import Fernet

from bench import machine
from bench.probes import OTHER_CPU
from inference.contracts.entries import Grant, Pool, Route, Terms, Worker, dump
from inference.contracts.keys import BASE62, checksum, digest_of
from inference.contracts.names import SHARDS, grant_key, pool_key, route_key, shard_tag
from xerotier_site.embedded.binaries import valkey_server

PROJECT, SLUG, MODEL = "proj_Bench0000000", "chat", "mock"
PEPPER = "a-pepper-for-benchmarks-only"
PORTS = {"fast": 28301, "asgi": 28302, "tunnel": 28303}
MANY = 10**9
FUNCTIONS = machine.HERE.parent / "inference" / "admission" / "functions.lua"


@dataclass(frozen=True, slots=True)
class Stores:
    """What a gateway is told: where Valkey is, and a key that opens the endpoint."""

    valkey_url: str
    keyring: str
    bearer: str
    pid: int
    home: str
    """Where the gateway keeps its journal: a new one each time, or it would replay the last."""


@contextlib.contextmanager
def stores(logs: Path, worker_ports: Sequence[int]) -> Iterator[Stores]:
    """Run a Valkey that knows the benchmark's world."""
    folder = Path(tempfile.mkdtemp(prefix="xb-"))
    socket = folder / "v.sock"
    command = [str(valkey_server()), "--port", "0", "--unixsocket", str(socket), "--save", ""]
    command += ["--appendonly", "yes", "--dir", str(folder), "--maxmemory-policy", "noeviction"]
    with (logs / "valkey.log").open("wb") as log:
        process = machine.start(command, cpu=OTHER_CPU, log=log)
        try:
            url = f"unix://{socket}"
            bearer = _fill(_connect(url), worker_ports)
            keyring = Fernet.generate_key().decode()
            home = str(folder / "home")
            yield Stores(url, keyring, f"Authorization: Bearer {bearer}", process.pid, home)
        finally:
            machine.stop(process)
            shutil.rmtree(folder, ignore_errors=True)


def command(edge: str) -> list[str]:
    """Return how a gateway process is started: the plane alone, as it runs in production."""
    port = str(PORTS[edge])
    return [sys.executable, "-m", "xerotier_site.server", "--plane", "--port", port]


def environment(stores: Stores, edge: str) -> dict[str, str]:
    """Return the settings of that process."""
    return {
        "VALKEY_URL": stores.valkey_url,
        "XEROTIER_ENV": "development",
        "XEROTIER_PEPPERS": f"bench:{PEPPER}",
        "XEROTIER_KEYRING": stores.keyring,
        "XEROTIER_EDGE": "asgi" if edge == "asgi" else "fast",
        "XEROTIER_HOSTS": "127.0.0.1",
        "XEROTIER_DRAIN_DELAY_S": "0",
        "XEROTIER_GRACE_S": "1",
        "XEROTIER_HOME": stores.home,
    }


def url(_stores: Stores, edge: str) -> str:
    """Return where that process is asked."""
    return f"http://127.0.0.1:{PORTS[edge]}/{PROJECT}/{SLUG}/v1/chat/completions"


def _connect(url: str) -> redis.Redis:
    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + 5
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return client


def _fill(client: redis.Redis, worker_ports: Sequence[int]) -> str:
    body = "xero_bench_" + "".join(secrets.choice(BASE62) for _ in range(43))
    bearer = body + checksum(body)
    pool = f"shared/{MODEL}"
    grant = Grant(version=1, key_id="key_bench", project=PROJECT, scopes=("inference",))
    workers = tuple(
        Worker(f"wrk_{port}", f"http://127.0.0.1:{port}/v1", MODEL, ("chat/completions",))
        for port in worker_ports
    )
    client.mset(
        {
            grant_key(digest_of(bearer.encode(), PEPPER.encode())): dump(grant),
            route_key(PROJECT, SLUG): dump(_route(pool)),
            pool_key(pool): dump(Pool(version=1, name=pool, workers=workers)),
        }
    )
    # What the control plane does in a platform: the functions, an open shard, and money.
    client.function_load(FUNCTIONS.read_text(encoding="utf-8"), replace=True)
    tag = shard_tag(PROJECT)
    client.fcall("xt1_restore", 1, tag, f"p:{PROJECT}", "granted", str(10**15), "seq", "1")
    for shard in range(SHARDS):
        client.fcall("xt1_open", 1, f"{{s{shard}}}", "0", "")
    return bearer


def _route(pool: str) -> Route:
    terms = Terms(
        tier="bench",
        version=1,
        requests_per_min=MANY,
        tokens_per_min=MANY,
        concurrent=MANY,
        request_timeout_s=300.0,
        idle_timeout_s=600.0,
        priority=20,
        price_per_million=500_000,
        monthly_tokens=MANY,
    )
    return Route(
        version=1,
        project=PROJECT,
        endpoint=SLUG,
        endpoint_id="ep_bench",
        model=MODEL,
        task="generate",
        terms=terms,
        pools=(pool,),
    )
