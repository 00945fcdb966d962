"""An earlier state of ours as one more gateway: another checkout, with its own environment.

What stands in Valkey, and which settings a gateway takes, changes with the code. So the other
checkout's own bench furnishes the stores and says how its gateway is started.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import machine
from bench.gateways import MOCK_PORTS, Gateway, wait_until_ready
from bench.probes import GATEWAY_CPU, Target

STAND_UP = """
import json, sys
from pathlib import Path
from bench import machine, ours
machine.build()
logs, edge, *ports = sys.argv[1:]
with ours.stores(Path(logs), [int(port) for port in ports]) as stores:
    print(json.dumps({
        "command": ours.command(edge), "environment": ours.environment(stores, edge),
        "url": ours.url(stores, edge), "bearer": stores.bearer, "pid": stores.pid,
    }), flush=True)
    sys.stdin.read()
"""


def before(checkout: Path, edge: str) -> Gateway:
    """Return the gateway of another checkout, over an edge: compiled there by ``make compiled``."""
    name = f"{edge}@before"

    @contextlib.contextmanager
    def up(logs: Path) -> Iterator[Target]:
        with _stores(checkout, logs, edge) as said, (logs / f"{name}.log").open("wb") as log:
            process = machine.start(
                said["command"], cpu=GATEWAY_CPU, log=log, env=said["environment"], folder=checkout
            )
            target = Target(name, said["url"], (said["bearer"],), process.pid, (said["pid"],))
            try:
                wait_until_ready(target, process)
                yield target
            finally:
                machine.stop(process)

    return Gateway(name, up)


@contextlib.contextmanager
def _stores(checkout: Path, logs: Path, edge: str) -> Iterator[dict[str, Any]]:
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python), "-c", STAND_UP, str(logs), edge, *map(str, MOCK_PORTS)]
    helper = subprocess.Popen(
        command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert helper.stdin is not None  # noqa: S101 - opened as pipes above
    assert helper.stdout is not None  # noqa: S101
    try:
        yield json.loads(helper.stdout.readline())
    finally:
        helper.stdin.close()  # Its end: it takes Valkey down.
        helper.wait(10)
        helper.stdout.close()
