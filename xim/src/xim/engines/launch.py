"""The bundled llama.cpp as a child of ours: started, watched, started again (supervisor)."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from xim.faults import UNREACHABLE, Stop

log = logging.getLogger("xim.engine")

AGAIN_S = 5.0
FAREWELL_S = 5.0


@dataclass(frozen=True, slots=True)
class Gguf:
    """A model file, and how it is to be served."""

    file: Path
    name: str
    context: int
    slots: int


@dataclass(slots=True)
class Child:
    """An engine of ours and where it listens: port 0 as long as it does not."""

    key: str
    port: int = 0


def check(gguf: Gguf) -> None:
    """Raise ``Stop`` if it can't be started on this machine."""
    if not gguf.file.is_file():
        raise Stop(f"--gguf: there is no file {gguf.file}.", UNREACHABLE)
    with gguf.file.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise Stop(f"--gguf: {gguf.file} is no GGUF file.", UNREACHABLE)
    if importlib.util.find_spec("xllamacpp") is None:
        sentence = "llama.cpp is not installed here: pip install 'xim[llamacpp]'"
        raise Stop(f"{sentence}, or name a running one by --engine-url.", UNREACHABLE)


@asynccontextmanager
async def started(gguf: Gguf, on_port: Callable[[int], None]) -> AsyncIterator[Child]:
    """Keep llama.cpp running with this file; ``on_port`` hears where, each time it starts."""
    child = Child(key=secrets.token_urlsafe(24))
    with tempfile.TemporaryDirectory(prefix="xim-") as folder:
        key_file = Path(folder) / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(child.key)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(_kept(gguf, key_file, child, on_port))
            try:
                yield child
            finally:
                keeping.cancel()


async def _kept(gguf: Gguf, key_file: Path, child: Child, on_port: Callable[[int], None]) -> None:
    while True:
        code = await _run(_argv(gguf, key_file), child, on_port)
        child.port = 0
        log.warning("llama.cpp ended code=%s; starting it again in %.0f s", code, AGAIN_S)
        await asyncio.sleep(AGAIN_S)


def _argv(gguf: Gguf, key_file: Path) -> list[str]:
    argv = [sys.executable, "-m", "xim.bundled.chat", "--as-it-is", "--leashed"]
    argv += [f"--model={gguf.file}", f"--api-key-file={key_file}", f"--name={gguf.name}"]
    return [*argv, f"--context={gguf.context}", f"--slots={gguf.slots}"]


async def _run(argv: list[str], child: Child, on_port: Callable[[int], None]) -> int | None:
    # It ends when its standard input does: a killed xim leaves no engine behind.
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is None:
            return None
        async for line in process.stdout:
            said = line.decode(errors="replace").strip()
            if " listens on " in said:
                child.port = urlsplit(said.rpartition(" ")[2]).port or 0
                on_port(child.port)
        return await process.wait()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(FAREWELL_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
