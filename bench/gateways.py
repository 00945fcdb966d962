"""The gateways that are compared, and how each is started and asked.

Ours runs with everything that exists switched on: key check, limits, metering, logging, on
a Valkey of its own. The peers run with nothing on: no keys, no limits, no metering.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import machine, ours, peers
from bench.probes import GATEWAY_CPU, OTHER_CPU, Target

MOCK_PORTS = (29100, 29101)
READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that can be brought up. ``up`` yields it ready to be asked."""

    name: str
    up: Callable[[Path], contextlib.AbstractContextManager[Target]]


@contextlib.contextmanager
def upstream(logs: Path) -> Iterator[None]:
    """Run the mock upstream on two ports."""
    command = [str(machine.BUILD / "mock"), *map(str, MOCK_PORTS)]
    with (logs / "mock.log").open("wb") as log:
        mock = machine.start(command, cpu=OTHER_CPU, log=log)
        try:
            time.sleep(0.3)
            yield
        finally:
            machine.stop(mock)


@contextlib.contextmanager
def direct(_logs: Path) -> Iterator[Target]:
    """Ask the mock itself: the floor of every figure."""
    url = f"http://127.0.0.1:{MOCK_PORTS[0]}/v1/chat/completions"
    yield Target("direct", url, ("Authorization: Bearer x",), pid=None)


def peer(spec: peers.Peer) -> Gateway:
    """Return a gateway made by others."""

    @contextlib.contextmanager
    def up(logs: Path) -> Iterator[Target]:
        with (logs / f"{spec.name}.log").open("wb") as log:
            process = machine.start(spec.command(logs), cpu=GATEWAY_CPU, log=log, env=spec.env)
            target = Target(spec.name, spec.url, spec.headers, process.pid)
            try:
                wait_until_ready(target, process)
                yield target
            finally:
                machine.stop(process)

    return Gateway(spec.name, up)


def own(edge: str) -> Gateway:
    """Return ours, over its ``fast`` or ``asgi`` edge."""

    @contextlib.contextmanager
    def up(logs: Path) -> Iterator[Target]:
        with (
            ours.stores(logs, MOCK_PORTS) as stores,
            (logs / f"{edge}.log").open("wb") as log,
        ):
            process = machine.start(
                ours.command(edge), cpu=GATEWAY_CPU, log=log, env=ours.environment(stores, edge)
            )
            target = Target(
                edge, ours.url(stores, edge), (stores.bearer,), process.pid, (stores.pid,)
            )
            try:
                wait_until_ready(target, process)
                yield target
            finally:
                machine.stop(process)

    return Gateway(edge, up)


@contextlib.contextmanager
def tunnel(logs: Path, agents: int = 1) -> Iterator[Target]:
    """Ask ours by its fast edge, whose only workers are agents that dialled in."""
    with ours.stores(logs, ()) as stores, (logs / "tunnel.log").open("wb") as log:
        process = machine.start(
            ours.command("tunnel"),
            cpu=GATEWAY_CPU,
            log=log,
            env=ours.environment(stores, "tunnel"),
        )
        dial = [sys.executable, "-m", "bench.tunnel_agent", "--valkey", stores.valkey_url]
        dial += ["--port", str(ours.PORTS["tunnel"]), "--agents", str(agents)]
        dial += map(str, MOCK_PORTS)
        agent = machine.start(dial, cpu=OTHER_CPU, log=log)
        url = ours.url(stores, "tunnel")
        target = Target("tunnel", url, (stores.bearer,), process.pid, (stores.pid, agent.pid))
        try:
            wait_until_ready(target, process)
            yield target
        finally:
            machine.stop(agent)
            machine.stop(process)


def wait_until_ready(target: Target, process: subprocess.Popen[bytes]) -> None:
    """Ask until the gateway answers a completion; raises ``RuntimeError`` if it never does."""
    body = (machine.HERE / "bodies" / "plain.json").read_bytes()
    deadline = time.monotonic() + READY_S
    last = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = f"it ended with {process.returncode}"
            break
        try:
            status, answer = _post(target, body)
        except OSError as fault:
            last = repr(fault)
        else:
            if status == http.HTTPStatus.OK and b'"choices"' in answer:
                return
            last = f"{status} {answer[:200]!r}"
        time.sleep(0.1)
    raise RuntimeError(f"{target.name} is not ready: {last}")


def _post(target: Target, body: bytes) -> tuple[int, bytes]:
    parts = urlsplit(target.url)
    headers = dict(header.split(": ", 1) for header in target.headers)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(
            "POST", parts.path, body, {"Content-Type": "application/json", **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def known() -> dict[str, Gateway]:
    """Return every gateway by name, in the order of the table."""
    everyone = [Gateway("direct", direct), *(peer(spec) for spec in peers.PEERS)]
    everyone += [own("fast"), own("asgi"), Gateway("tunnel", tunnel)]
    return {gateway.name: gateway for gateway in everyone}
