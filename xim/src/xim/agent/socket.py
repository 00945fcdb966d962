"""How ``xim status`` and ``xim drain`` talk to the xim that runs: a line of JSON each way."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from xim.faults import UNREACHABLE, Stop
from xim.state import State

LINE_MAX = 1 << 16
PATIENCE_S = 5.0

Answers = dict[str, Callable[[], dict[str, Any]]]


@asynccontextmanager
async def listening(path: Path, answers: Answers) -> AsyncIterator[None]:
    """Answer on a socket that only its owner can reach: its folder is closed to others."""
    _clear(path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                asked = (await reader.readline()).decode().strip()
                said = answers[asked]() if asked in answers else {"error": "unknown"}
                writer.write(json.dumps(said).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # Whoever asked is gone, or asked for nothing.
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path, limit=LINE_MAX)
    try:
        yield
    finally:
        server.close()
        _clear(path)


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)


def ask(path: Path, what: str) -> dict[str, Any]:
    """Ask the xim that runs; raises ``Stop`` if none does."""
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(PATIENCE_S)
            wire.connect(str(path))
            wire.sendall(what.encode() + b"\n")
            said = wire.makefile().readline(1 << 20)
        content: dict[str, Any] = json.loads(said)
    except (OSError, ValueError) as fault:
        sentence = f"No xim runs with {path.parent}: start it by {State(path.parent).run_command}"
        raise Stop(f"{sentence}, or name its folder by --state.", UNREACHABLE) from fault
    return content
